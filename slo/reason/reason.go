// Package reason says whose fault a refused or failed payment is: it maps the codes that schemes, networks
// and exchanges give to a [Class], and the class to which budgets it burns. The mapping is data, in packs.
//
//	Classify(iso20022/status AB05, as debtor_agent)   → technical_peer  own: no   end to end: yes
//	Classify(iso20022/status AB05, as creditor_agent) → technical_own   own: yes  end to end: yes
//	Classify(iso20022/status AM04)                    → business        own: no   end to end: no
//	Classify(iso20022/status ZZ99)                    → technical_unknown, not known
package reason

// Key names a code where it means one thing: AC16 is one thing in ISO 20022's status list and another in its
// return list.
type Key struct {
	Scheme string `json:"scheme"` // iso20022, iso8583, nacha, fix, upi, http, grpc, or one of a user's own packs
	List   string `json:"list"`   // status, return, cancellation, f39, return (nacha), ord_rej_reason, …; empty: the scheme has one
	Code   string `json:"code"`
}

// Context says who the observer was in the payment that the code is about, which decides whose fault some codes
// are. Of a return or a recall that is the payment which comes back, not the one that brings it.
type Context struct {
	Role      string // debtor_agent, creditor_agent, intermediary, csm, issuer, acquirer, odfi, rdfi, venue, …; empty: not known
	Direction string // out: we sent it; in: we received it; empty: not known
}

// Class is what kind of outcome a code stands for. They are the values of the label `class`.
type Class string

// The classes.
const (
	Good             Class = "good"
	TechnicalOwn     Class = "technical_own"
	TechnicalPeer    Class = "technical_peer"    // the creditor's, issuer's or another agent's
	TechnicalScheme  Class = "technical_scheme"  // clearing, network, chain
	TechnicalUnknown Class = "technical_unknown" // technical, or a code that no pack knows
	Format           Class = "format"
	Duplicate        Class = "duplicate"
	Routing          Class = "routing"
	CutOff           Class = "cutoff"
	Liquidity        Class = "liquidity"
	Business         Class = "business" // funds, account, limit, mandate: the customer's side
	Fraud            Class = "fraud"
	Compliance       Class = "compliance"
	Ambiguous        Class = "ambiguous" // may hide either
	InDoubt          Class = "in_doubt"
	Info             Class = "info" // says nothing about the outcome
)

// Burn says whether an outcome counts as bad.
type Burn string

// What an outcome does to a budget.
const (
	No     Burn = "no"     // excluded, or good
	Yes    Burn = "yes"    // bad
	Shadow Burn = "shadow" // excluded, and counted apart so that people can look into it
)

// Verdict is what became of a code.
type Verdict struct {
	Class    Class
	Own      Burn // on the budget of what we answer for
	EndToEnd Burn // on the budget of the customer's whole journey
	Known    bool // false: no rule had the code
	Note     string
	Pack     string // whose rule it was: iso20022, or a user's file
	Line     int    // of the rule in the pack
}
