package event

// Kinds of accounts, as they stand in AccountOpened.
const (
	AccountOther   = "OTHER"
	AccountCurrent = "CURRENT"
	AccountSavings = "SAVINGS"
	AccountCard    = "CARD"
)

// Kinds of entries, as they stand in EntryPosted.
const (
	EntryOther        = "OTHER"
	EntryDeposit      = "DEPOSIT"
	EntryWithdrawal   = "WITHDRAWAL"
	EntryCardPurchase = "CARD_PURCHASE"
	EntryRefund       = "REFUND"
	EntryFee          = "FEE"
	EntryInterest     = "INTEREST"
	EntrySalary       = "SALARY"
	EntryReversal     = "REVERSAL"
	EntryTransfer     = "TRANSFER"
	// EntryTransferReturn gives back a transfer that its receiver did not take.
	EntryTransferReturn = "TRANSFER_RETURN"
)
