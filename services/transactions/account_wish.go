package transactions

// accountWish is what the commands have in common that change what an account takes.
type accountWish struct {
	account string
	reason  string // in the words of who asks
}

func (w accountWish) accountID() string { return w.account }

func (w accountWish) content(c content) content { return c.text(w.account).text(w.reason) }

// other names the field in which a fact of an account and a reason differs, "" where none does.
func (w accountWish) other(account, reason string) string {
	switch {
	case account != w.account:
		return "account_id"
	case reason != w.reason:
		return "reason"
	}
	return ""
}
