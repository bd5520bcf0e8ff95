package iso20022

import "strings"

// field is a fact that is kept while its element, or one around it, is open.
type field uint8

const (
	none field = iota
	msgID
	created
	count // of transactions in the message told of
	uetr
	endToEndID
	instrID
	txID
	clearingRef
	returnID
	originalMsgID
	amount
	currency
	status
	reasonCode
	accepted // by the first agent
	effective
	executionDate
	settlementDate
	instructing // agents
	instructed
	debtorAgent
	creditorAgent
	creditDebit
	reversal
	booked
	bookingRef
	fields
)

// node is an element somewhere in a message, and what to do there. Elements that have none are passed over
// with all that is in them.
type node struct {
	children map[string]*node
	keep     field // of its text
	ccy      field // of its attribute Ccy
	// what is kept within this element is forgotten behind it
	scope bool
	at    place
}

// place is an element at whose end there is something to hand on.
type place uint8

const (
	nowhere place = iota
	aTransaction
	aGroup // of which only the status is told
	anEntry
)

// anyName stands for an element of any name: the one below Document, which changed with versions.
const anyName = "*"

// add lays a path over the tree; a bar separates several last elements.
func (n *node) add(path string, f field) *node {
	elements := strings.Split(path, "/")
	for i, name := range elements {
		if i == len(elements)-1 && strings.Contains(name, "|") {
			for other := range strings.SplitSeq(name, "|") {
				n.child(other).keep = f
			}
			return n
		}
		n = n.child(name)
	}
	n.keep = f
	return n
}

func (n *node) child(name string) *node {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	if n.children[name] == nil {
		n.children[name] = new(node)
	}
	return n.children[name]
}

// scoped marks an element that holds one of several.
func (n *node) scoped(path string, at place) *node {
	n = n.add(path, none)
	n.scope, n.at = true, at
	return n
}

// agents are institutions, under the names that an element of the tree has.
func (n *node) agents(names map[string]field) {
	for name, f := range names {
		n.add(name+"/FinInstnId/BIC|BICFI", f)
		n.add(name+"/FinInstnId/ClrSysMmbId/MmbId", f)
	}
}

func (n *node) money(path string) {
	n.add(path, amount).ccy = currency
}

func (n *node) reason(path string) { n.add(path+"/Rsn/Cd|Prtry", reasonCode) }

// messages are the trees below Document, by message.
func messages() map[string]*node {
	camt := cashManagement()
	return map[string]*node{
		"pain.001": initiation(), "pacs.008": transfer(), "pacs.009": institutions(),
		"pain.002": paymentStatus(), "pacs.002": paymentStatus(), "pacs.004": paymentReturn(), "pacs.028": statusRequest(),
		"camt.052": camt, "camt.053": camt, "camt.054": camt,
	}
}

func header(document *node) *node {
	top := document.child(anyName)
	h := top.child("GrpHdr")
	h.add("MsgId", msgID)
	h.add("CreDtTm", created)
	h.add("NbOfTxs", count)
	h.agents(map[string]field{"InstgAgt": instructing, "InstdAgt": instructed})
	return top
}

func paymentIDs(tx *node) {
	for name, f := range map[string]field{"InstrId": instrID, "EndToEndId": endToEndID, "TxId": txID, "UETR": uetr, "ClrSysRef": clearingRef} {
		tx.add("PmtId/"+name, f)
	}
}

func initiation() *node {
	document := new(node)
	batch := header(document).scoped("PmtInf", nowhere)
	batch.add("ReqdExctnDt", executionDate)
	batch.add("ReqdExctnDt/Dt|DtTm", executionDate)
	batch.agents(map[string]field{"DbtrAgt": debtorAgent})
	tx := batch.scoped("CdtTrfTxInf", aTransaction)
	paymentIDs(tx)
	tx.money("Amt/InstdAmt")
	tx.money("Amt/EqvtAmt/Amt")
	tx.agents(map[string]field{"CdtrAgt": creditorAgent})
	return document
}

func transfer() *node {
	document := new(node)
	tx := header(document).scoped("CdtTrfTxInf", aTransaction)
	paymentIDs(tx)
	tx.money("IntrBkSttlmAmt")
	tx.add("AccptncDtTm", accepted)
	tx.agents(map[string]field{"InstgAgt": instructing, "InstdAgt": instructed, "DbtrAgt": debtorAgent, "CdtrAgt": creditorAgent})
	return document
}

// institutions is a transfer between institutions: the parties themselves are agents, often the only ones.
func institutions() *node {
	document := transfer()
	document.child(anyName).child("CdtTrfTxInf").agents(map[string]field{"Dbtr": debtorAgent, "Cdtr": creditorAgent})
	return document
}

// originals are the references to an earlier message's transaction, in an element that tells of one.
func originals(tx *node) {
	for name, f := range map[string]field{"OrgnlInstrId": instrID, "OrgnlEndToEndId": endToEndID, "OrgnlTxId": txID, "OrgnlUETR": uetr,
		"ClrSysRef": clearingRef, "OrgnlClrSysRef": clearingRef, "OrgnlGrpInf/OrgnlMsgId": originalMsgID,
		"OrgnlIntrBkSttlmDt": settlementDate, "OrgnlTxRef/IntrBkSttlmDt": settlementDate} {
		tx.add(name, f)
	}
	tx.agents(map[string]field{"InstgAgt": instructing, "InstdAgt": instructed,
		"OrgnlTxRef/DbtrAgt": debtorAgent, "OrgnlTxRef/CdtrAgt": creditorAgent})
}

func paymentStatus() *node {
	document := new(node)
	top := header(document)
	for _, group := range []string{"OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts"} {
		g := top.add(group, none)
		g.at, g.scope = aGroup, group == "OrgnlPmtInfAndSts"
		g.add("OrgnlMsgId", originalMsgID)
		g.add("OrgnlNbOfTxs", count)
		g.add("GrpSts|PmtInfSts", status)
		g.reason("StsRsnInf")
	}
	for _, path := range []string{"TxInfAndSts", "OrgnlPmtInfAndSts/TxInfAndSts"} {
		tx := top.scoped(path, aTransaction)
		originals(tx)
		tx.add("TxSts", status)
		tx.reason("StsRsnInf")
		tx.add("FctvIntrBkSttlmDt/DtTm", effective)
		tx.money("OrgnlTxRef/IntrBkSttlmAmt")
		tx.money("OrgnlTxRef/Amt/InstdAmt")
	}
	return document
}

func paymentReturn() *node {
	document := new(node)
	top := header(document)
	top.add("OrgnlGrpInf/OrgnlMsgId", originalMsgID)
	top.reason("OrgnlGrpInf/RtrRsnInf")
	tx := top.scoped("TxInf", aTransaction)
	originals(tx)
	tx.add("RtrId", returnID)
	tx.money("RtrdIntrBkSttlmAmt")
	tx.reason("RtrRsnInf")
	return document
}

func statusRequest() *node {
	document := new(node)
	top := header(document)
	top.add("OrgnlGrpInf/OrgnlMsgId", originalMsgID)
	tx := top.scoped("TxInf", aTransaction)
	originals(tx)
	tx.money("OrgnlTxRef/IntrBkSttlmAmt")
	return document
}

// cashManagement is a report, statement or notification: they differ in names only.
func cashManagement() *node {
	document := new(node)
	top := document.child(anyName)
	top.add("GrpHdr/MsgId", msgID)
	top.add("GrpHdr/CreDtTm", created)
	entry := new(node)
	entry.scope, entry.at = true, anEntry
	entry.money("Amt")
	entry.add("CdtDbtInd", creditDebit)
	entry.add("RvslInd", reversal)
	entry.add("Sts", status)
	entry.add("Sts/Cd", status)
	entry.add("BookgDt/Dt|DtTm", booked)
	entry.add("AcctSvcrRef", bookingRef)
	tx := entry.scoped("NtryDtls/TxDtls", aTransaction)
	for name, f := range map[string]field{"InstrId": instrID, "EndToEndId": endToEndID, "TxId": txID, "UETR": uetr,
		"ClrSysRef": clearingRef, "MsgId": originalMsgID, "AcctSvcrRef": bookingRef} {
		tx.add("Refs/"+name, f)
	}
	tx.money("AmtDtls/TxAmt/Amt")
	tx.money("Amt")
	tx.add("CdtDbtInd", creditDebit)
	tx.reason("RtrInf")
	for _, account := range []string{"Rpt", "Stmt", "Ntfctn"} {
		top.child(account).child("Ntry").children = entry.children
		n := top.child(account).child("Ntry")
		n.scope, n.at = entry.scope, entry.at
	}
	return document
}
