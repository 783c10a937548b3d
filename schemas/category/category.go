// Package category says what money was spent on, in the bank's own words: groceries, fuel, travel.
//
// A purchase has the category of its merchant category code (ISO 18245). One without a code has that of the
// words of its source, as words.csv translates them. What neither table knows is Other.
//
// The number of a category stands in stored rows and its name in answers, so that neither changes: a category
// that comes later is appended.
//
// The table of codes, mcc.csv, is that of https://github.com/greggles/mcc-codes, which its authors gave to the
// public domain.
package category

import "github.com/refold/refold/schemas/event"

// Category is what money was spent on.
type Category uint8

// The categories.
const (
	Other Category = iota // what no table knows, and what does not belong anywhere else
	Groceries
	Restaurants
	Fuel
	Transport
	Travel
	Vehicles
	Shopping
	Clothing
	Home
	Utilities
	Telecoms
	Health
	PersonalCare
	Education
	Entertainment
	ChildrenAndPets
	Memberships
	Insurance
	Finance
	Government
	Services
	Business
	Withdrawals
	Fees
	// Count is how many categories there are.
	Count
)

// String returns the name of a category: stable, lower case.
func (c Category) String() string {
	names := [Count]string{
		"other", "groceries", "restaurants", "fuel", "transport", "travel", "vehicles", "shopping", "clothing", "home",
		"utilities", "telecoms", "health", "personal_care", "education", "entertainment", "children_and_pets",
		"memberships", "insurance", "finance", "government", "services", "business", "withdrawals", "fees",
	}
	if c >= Count {
		return "other"
	}
	return names[c]
}

// Named returns the category of a name, and whether there is one.
func Named(name string) (Category, bool) {
	for c := range Count {
		if c.String() == name {
			return c, true
		}
	}
	return Other, false
}

// Of returns the category of a merchant category code or, where that is empty, of the words of the source.
// It is not known where neither table has it; words that are empty say nothing, and are not known either.
//
// Of may be called concurrently. It neither keeps its arguments nor allocates.
func Of(mcc, words string) (c Category, known bool) {
	if mcc != "" {
		n, ok := number(mcc)
		return codes()[n], ok && registered()[n]
	}
	c, known = translations()[words]
	return c, known
}

// number reads a code of four digits; 0, which is no code, where it is none.
func number(mcc string) (n int, ok bool) {
	if len(mcc) != 4 {
		return 0, false
	}
	for i := range mcc {
		if mcc[i] < '0' || mcc[i] > '9' {
			return 0, false
		}
		n = n*10 + int(mcc[i]-'0')
	}
	return n, true
}

// Spent returns what an entry was spent on, and whether it is spending at all: a purchase or its refund, a
// withdrawal, a fee, or a reversal of one, of which reversed is the kind. It is known as Of knows it; a withdrawal
// or fee that says nothing else is one.
func Spent(kind, reversed, mcc, words string) (c Category, spends, known bool) {
	if kind == event.EntryReversal {
		kind = reversed
	}
	switch kind {
	case event.EntryCardPurchase, event.EntryRefund:
		c, known = Of(mcc, words)
		return c, true, known
	case event.EntryWithdrawal:
		c = Withdrawals
	case event.EntryFee:
		c = Fees
	default:
		return Other, false, true
	}
	if mcc == "" && words == "" {
		return c, true, true
	}
	said, known := Of(mcc, words)
	if said != Other {
		c = said
	}
	return c, true, known
}
