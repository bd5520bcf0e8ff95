package iso20022_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/collector/transactions/iso20022"
)

// repeated is a text as often as it takes to be left bytes long; nothing holds it all.
type repeated struct {
	text string
	left int64
	at   int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(b) {
		m := copy(b[n:], r.text[r.at:])
		n += m
		r.at = (r.at + m) % len(r.text)
	}
	r.left -= int64(n)
	return n, nil
}

const open = `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10"><FIToFIPmtStsRpt>`

// TestHostile: each of these ends with an error that says what it is, within the first few hundred kilobytes of
// however much there is.
func TestHostile(t *testing.T) {
	const gigabyte = 1 << 30
	many := func(before, text, after string) io.Reader {
		return io.MultiReader(strings.NewReader(before), &repeated{text: text, left: gigabyte}, strings.NewReader(after))
	}
	for name, test := range map[string]struct {
		in   io.Reader
		want string
	}{
		"entity bomb":                  {strings.NewReader(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>`), "line 1: a document type or entity declaration, which is refused"},
		"external entity":              {strings.NewReader("<?xml version=\"1.0\"?>\n<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>"), "line 2: a document type or entity declaration, which is refused"},
		"entity declaration inside":    {strings.NewReader(open + `<!ENTITY b "x">`), "pacs.002.001.10: line 1: a document type or entity declaration, which is refused"},
		"unknown entity":               {strings.NewReader(open + `<GrpHdr><MsgId>&b;</MsgId></GrpHdr>`), "pacs.002.001.10: line 1: an entity that XML does not have by itself, which is refused"},
		"unknown entity, not needed":   {strings.NewReader(open + `<Nm>&b;</Nm>`), "pacs.002.001.10: line 1: an entity that XML does not have by itself, which is refused"},
		"entity in an attribute":       {strings.NewReader(open + `<a b="&c;"/>`), "pacs.002.001.10: line 1: an entity that XML does not have by itself, which is refused"},
		"reference to a control":       {strings.NewReader(open + `<MsgId>&#0;</MsgId>`), "pacs.002.001.10: line 1: an entity that XML does not have by itself, which is refused"},
		"deep nesting":                 {many("", "<a>", ""), "line 1: elements nested deeper than 64 levels"},
		"deep nesting, in a message":   {many(open, "<a>", ""), "pacs.002.001.10: line 1: elements nested deeper than 64 levels"},
		"a gigabyte of text":           {many(open+"<MsgId>", "x", "</MsgId>"), "pacs.002.001.10: line 1: a tag or text of more than 65536 bytes"},
		"a gigabyte of white space":    {many(open, " ", ""), "pacs.002.001.10: line 1: a tag or text of more than 65536 bytes"},
		"a gigabyte of comment":        {many(open+"<!--", "x", "-->"), "pacs.002.001.10: line 1: a tag or text of more than 65536 bytes"},
		"a gigabyte of text, cut up":   {many(open+"<GrpHdr><MsgId>", "x<!---->", ""), "pacs.002.001.10: line 1: a value of more than 256 bytes"},
		"blanks, cut up":               {many(open+"<GrpHdr><MsgId>", "     <!---->", ""), "pacs.002.001.10: line 1: a tag or text of more than 65536 bytes"},
		"a gigabyte of name":           {many("<", "x", ">"), "line 1: a tag or text of more than 65536 bytes"},
		"a gigabyte of value":          {many(`<a b="`, "x", `"/>`), "line 1: a tag or text of more than 65536 bytes"},
		"millions of attributes":       {many("<a", ` b="c"`, "/>"), "line 1: a tag or text of more than 65536 bytes"},
		"hundreds of attributes":       {strings.NewReader("<a" + distinct(100) + "/>"), "line 1: an element with more than 64 attributes"},
		"an attribute twice":           {strings.NewReader(`<a b="1" b="2"/>`), "line 1: an attribute that stands twice in one tag"},
		"a bare attribute":             {strings.NewReader(`<a b=c/>`), `line 1: an attribute that is not written name="value"`},
		"a long namespace":             {strings.NewReader(`<Document xmlns="` + strings.Repeat("u", 300) + `"/>`), "line 1: a namespace of more than 256 bytes"},
		"a long currency":              {strings.NewReader(open + `<TxInfAndSts><OrgnlTxRef><IntrBkSttlmAmt Ccy="` + strings.Repeat("E", 300) + `">1</IntrBkSttlmAmt>`), "pacs.002.001.10: line 1: a value of more than 256 bytes"},
		"endless groups":               {many(open, "<OrgnlGrpInfAndSts><OrgnlMsgId>M</OrgnlMsgId><GrpSts>RJCT</GrpSts></OrgnlGrpInfAndSts>\n", ""), "pacs.002.001.10: line 1001: more than 1000 groups without transactions"},
		"NUL bytes":                    {strings.NewReader(open + "<Nm>a\x00b</Nm>"), "pacs.002.001.10: line 1: the control character 0x00"},
		"nothing but NUL":              {many("", "\x00", ""), "line 1: a tag or text of more than 65536 bytes"},
		"a NUL in a tag":               {strings.NewReader("<a\x00/>"), "line 1: the control character 0x00"},
		"UTF-16 with a mark":           {strings.NewReader("\xff\xfe<\x00a\x00"), "line 1: the encoding UTF-16 or UTF-32; allowed: UTF-8, ISO-8859-1, US-ASCII"},
		"UTF-16 without":               {strings.NewReader("\x00<\x00a"), "line 1: the encoding UTF-16 or UTF-32; allowed: UTF-8, ISO-8859-1, US-ASCII"},
		"UTF-16 by name":               {strings.NewReader(`<?xml version="1.0" encoding="UTF-16"?><a/>`), `line 1: the encoding "UTF-16"; allowed: UTF-8, ISO-8859-1, US-ASCII`},
		"an unknown encoding":          {strings.NewReader(`<?xml version="1.0" encoding="EBCDIC-DE"?><a/>`), `line 1: the encoding "EBCDIC-DE"; allowed: UTF-8, ISO-8859-1, US-ASCII`},
		"ISO-8859-1 undeclared":        {strings.NewReader("<a>\nJ\xfcrgen</a>"), "line 1: text that is not UTF-8, in a document that names no other encoding"},
		"ISO-8859-1 of the one before": {strings.NewReader("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xfc</a>\n<a>\xfc</a>"), "line 2: text that is not UTF-8, in a document that names no other encoding"},
		"not ASCII":                    {strings.NewReader("<?xml version='1.0' encoding='US-ASCII'?><a>ü</a>"), "line 1: a character that is not US-ASCII, as the document says it is"},
		"cut in a tag":                 {strings.NewReader(open + "\n<Grp"), "pacs.002.001.10: line 2: the input ends within a tag"},
		"cut in an element":            {strings.NewReader(open + "\n<GrpHdr>\n"), "pacs.002.001.10: line 3: the input ends within an element"},
		"cut in a comment":             {strings.NewReader("<a/><!-- "), "line 1: the input ends within a tag"},
		"wrong end":                    {strings.NewReader("<a><b></a>"), "line 1: an end tag that is not that of the element b"},
		"end without start":            {strings.NewReader("<a/></a>"), "line 1: an end tag of an element that is not open"},
		"a tag in a tag":               {strings.NewReader("<a <b>>"), "line 1: a tag within a tag"},
		"text around":                  {strings.NewReader("<a/>\nhello"), "line 1: text outside any element"},
		"not XML":                      {strings.NewReader("MT103 {1:F01}"), "line 1: text outside any element"},
		"a declaration inside":         {strings.NewReader("<a><?xml version='1.0'?></a>"), "line 1: an XML declaration within an element"},
		"no name":                      {strings.NewReader("< a/>"), "line 1: a tag without a name"},
		"no namespace":                 {strings.NewReader("<Document/>"), "line 1: a Document whose namespace names no message, such as urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"},
		"no document":                  {strings.NewReader("<html><body/></html>"), "XML without a Document of ISO 20022"},
		"another message":              {strings.NewReader(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.056.001.08"/>`), "camt.056.001.08: a message that is not read; allowed: camt.052, camt.053, camt.054, pacs.002, pacs.004, pacs.008, pacs.009, pacs.028, pain.001, pain.002"},
		"a time that is none":          {strings.NewReader(document("<GrpHdr><CreDtTm>yesterday</CreDtTm></GrpHdr>\n<TxInfAndSts><TxSts>ACSC</TxSts></TxInfAndSts>")), "pacs.002.001.10: line 2: CreDtTm: allowed: a time such as 2026-11-21T10:00:00.123Z or a date such as 2026-11-21"},
		"a status that is none":        {strings.NewReader(document("<TxInfAndSts><TxSts>ok</TxSts></TxInfAndSts>")), "pacs.002.001.10: line 1: a status that is not a code of four letters"},
	} {
		events, err := decode(t, config(), test.in)
		if err == nil || err.Error() != test.want || len(events) > 0 {
			t.Errorf("%s: %d events,\n got %v\nwant %s", name, len(events), err, test.want)
		}
	}
}

func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strings.Repeat("b", i) + `="c"`)
	}
	return b.String()
}

func TestNothingToTell(t *testing.T) {
	for _, in := range []string{"", " \n", "\xef\xbb\xbf", `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:admi.004.001.02"><SysEvtNtfctn/></Document>`, document("")} {
		if events, err := decode(t, config(), strings.NewReader(in)); err != nil || len(events) > 0 {
			t.Errorf("%q: %d events, %v", in, len(events), err)
		}
	}
}

// live is the memory in use after a collection.
func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const aTransaction = `<TxInfAndSts><OrgnlEndToEndId>INV-1</OrgnlEndToEndId><OrgnlTxId>TX-1</OrgnlTxId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>
<OrgnlTxRef><IntrBkSttlmAmt Ccy="EUR">12.34</IntrBkSttlmAmt><Dbtr><Nm>Anna Beispiel</Nm></Dbtr><RmtInf><Ustrd>` + "text that nobody keeps, however long it may be, and it is never short; " + `</Ustrd></RmtInf></OrgnlTxRef></TxInfAndSts>
`

// TestMemoryOfALargeFile: what is in use while a file is read does not grow with the file.
func TestMemoryOfALargeFile(t *testing.T) {
	dec, err := iso20022.New(config())
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	in := io.MultiReader(strings.NewReader(open), &repeated{text: aTransaction, left: size}, strings.NewReader(""))
	before := live()
	events, most := 0, uint64(0)
	err = dec(in, func(transactions.Event) error {
		if events++; events%10_000 == 0 {
			most = max(most, live())
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "the input ends within") || events < size/len(aTransaction) {
		t.Errorf("%d events, %v", events, err)
	}
	if most > before+1<<20 {
		t.Errorf("%d bytes in use while reading %d, %d before", most, size, before)
	}
}

func BenchmarkDecode(b *testing.B) {
	dec, err := iso20022.New(config())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(aTransaction)))
	b.ReportAllocs()
	events := 0
	in := io.MultiReader(strings.NewReader(open), &repeated{text: aTransaction, left: int64(b.N) * int64(len(aTransaction))})
	err = dec(in, func(transactions.Event) error { events++; return nil })
	if err == nil || events < b.N {
		b.Fatalf("%d of %d events, %v", events, b.N, err)
	}
}

// FuzzDecode: whatever comes in pieces reads as it does at once, and what is accepted is XML to encoding/xml too.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, seed := range []string{"<a b='<'/>", "<!DOCTYPE a>", "<a>&#x110000;</a>", "\xfe\xff", "<a:b xmlns:a=''/>", "<a><![CDATA[]]]]></a>", "<?xml?><a/>", "</a", "<a/", open + "<GrpHdr/></x>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		events, err := decode(t, config(), bytes.NewReader(in))
		pieces, piecesErr := decode(t, config(), iotest.HalfReader(bytes.NewReader(in)))
		if !reflect.DeepEqual(events, pieces) || (err == nil) != (piecesErr == nil) || err != nil && err.Error() != piecesErr.Error() {
			t.Fatalf("in pieces %v, at once %v", piecesErr, err)
		}
		if err != nil || !comparable(in) {
			return
		}
		theirs := xml.NewDecoder(bytes.NewReader(in))
		for {
			if _, err := theirs.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatalf("accepted, and encoding/xml says %v", err)
			}
		}
	})
}

// comparable leaves out what encoding/xml is stricter about and does not change what is told: the words of
// declarations, two dashes in comments, the end of no CDATA, names beyond ASCII, prefixes.
func comparable(in []byte) bool {
	for _, part := range []string{"<?", "<!--", "]]>", ":"} {
		if bytes.Contains(in, []byte(part)) {
			return false
		}
	}
	return bytes.IndexFunc(in, func(r rune) bool { return r >= 0x80 }) < 0
}
