package reason

// Words says what a class stands for, to follow its name.
func (c Class) Words() string {
	switch c {
	case Good:
		return "it went well"
	case TechnicalOwn:
		return "a technical fault of our own"
	case TechnicalPeer:
		return "a technical fault of the other side: the creditor's agent, the issuer, another agent or a server"
	case TechnicalScheme:
		return "a technical fault of clearing, network or chain"
	case TechnicalUnknown:
		return "a technical fault, or a code without a rule, and whose it is nobody says"
	case Format:
		return "the message is malformed or inconsistent, the fault of who built it"
	case Duplicate:
		return "sent twice, or under an identifier that is not unique"
	case Routing:
		return "sent to where it does not belong: reference data, or who chose the way"
	case CutOff:
		return "came after a cut-off"
	case Liquidity:
		return "a limit or cover of settlement, a matter of saturation"
	case Business:
		return "the customer's side: funds, account, limit, mandate"
	case Fraud:
		return "done, or suspected"
	case Compliance:
		return "law, sanctions, tax"
	case Ambiguous:
		return "may hide a fault as well as a customer's matter"
	case InDoubt:
		return "nobody knows what became of it"
	case Info:
		return "says nothing about the outcome"
	}
	return ""
}
