package strictyaml_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

type limits struct {
	Low  int `yaml:"low"`
	High int `yaml:"high"`
}

func (l *limits) Validate() error {
	if l.Low > l.High {
		return problem.List{{Path: "low", Message: "above high"}}
	}
	return nil
}

type shared struct {
	Team string `yaml:"team"`
}

func (s *shared) Validate() error {
	if s.Team == "nobody" {
		return errors.New("team must be somebody")
	}
	return nil
}

type sample struct {
	shared   `yaml:"-"`
	Common   shared                      `yaml:",inline"`
	Name     string                      `yaml:"name"`
	Every    time.Duration               `yaml:"every"`
	Wait     model.Duration              `yaml:"wait"`
	On       bool                        `yaml:"on_call"`
	Count    int                         `yaml:"count"`
	Port     uint16                      `yaml:"port"`
	Share    strictyaml.Ratio            `yaml:"share"`
	Weight   float64                     `yaml:"weight"`
	Optional *float64                    `yaml:"optional"`
	Tags     []string                    `yaml:"tags"`
	Labels   map[string]string           `yaml:"labels"`
	Limits   limits                      `yaml:"limits"`
	Any      any                         `yaml:"any"`
	Raw      strictyaml.Node             `yaml:"raw"`
	HTTP     commoncfg.HTTPClientConfig  `yaml:"http"`
	Relabel  []*relabel.Config           `yaml:"relabel"`
	Proxy    commoncfg.URL               `yaml:"proxy"`
	Metadata map[model.LabelName]float64 `yaml:"metadata"`
	Upper    upper                       `yaml:"upper"`
	Hidden   string                      `yaml:"-"`
	Untagged string
}

type upper string

func (u *upper) UnmarshalText(b []byte) error {
	if s := string(b); s != strings.ToUpper(s) {
		return errors.New("not in capitals")
	}
	*u = upper(b)
	return nil
}

func decode(t *testing.T, text string, into any) []string {
	t.Helper()
	docs, problems := strictyaml.Parse("f.yaml", []byte(text), 1<<20)
	for _, d := range docs {
		problems = append(problems, d.Decode(into)...)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return lines
}

func TestWhatIsAbsentKeepsItsDefault(t *testing.T) {
	half := 0.5
	got := sample{Name: "default", Every: time.Minute, Optional: &half, Labels: map[string]string{"a": "1"}, Tags: []string{"x"},
		Limits: limits{Low: 1, High: 9}}
	lines := decode(t, `
every: 1d12h
wait: 1w
share: 99.95%
count: -3
port: 65535
optional: 0.25
on_call: yes
limits: {high: 5}
labels: {b: 2}
tags: [y, 1.10]
any: {a: [1, two, null]}
team: payments
untagged: here
metadata: {x: 1}
upper: ABC
weight:  1e3
relabel:
`, &got)
	if lines != nil {
		t.Fatal(lines)
	}
	want := sample{Name: "default", Every: 36 * time.Hour, Wait: model.Duration(7 * 24 * time.Hour), Share: 0.9995, Count: -3, Port: 65535,
		On: true, Optional: got.Optional, Limits: limits{Low: 1, High: 5}, Labels: map[string]string{"a": "1", "b": "2"},
		Tags: []string{"y", "1.10"}, Any: map[string]any{"a": []any{1, "two", nil}}, Untagged: "here", Weight: 1000, Upper: "ABC",
		Metadata: map[model.LabelName]float64{"x": 1}}
	want.Common.Team = "payments"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if *got.Optional != 0.25 || half != 0.5 {
		t.Errorf("optional = %v, the shared default is now %v", *got.Optional, half)
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	const allowedFields = "team, name, every, wait, on_call, count, port, share, weight, optional, tags, labels, limits, any, raw, http, relabel, proxy, metadata, upper, untagged"
	tests := map[string]struct {
		text string
		want []string
	}{
		"unknown field with a near one": {"nmae: x", []string{"f.yaml:1:1: error: nmae: unknown field, did you mean name?, allowed: " + allowedFields}},
		"unknown field in other spelling": {"limits:\n  Low: 1\n  highest: 2", []string{
			"f.yaml:2:3: error: limits.Low: unknown field, did you mean low?, allowed: low, high",
			"f.yaml:3:3: error: limits.highest: unknown field, allowed: low, high"}},
		"several at once": {"every: 5x\ncount: many\nname: [a]", []string{
			`f.yaml:1:8: error: every: got "5x", allowed: a duration such as 15s, 5m or 30d`,
			`f.yaml:2:8: error: count: got "many", allowed: a whole number`,
			`f.yaml:3:7: error: name: got "a list", allowed: text`}},
		"bare number as duration": {"wait: 30", []string{`f.yaml:1:7: error: wait: got "30", allowed: a duration such as 15s, 5m or 30d`}},
		"negative duration":       {"every: -5m", []string{`f.yaml:1:8: error: every: got "-5m", allowed: a duration such as 15s, 5m or 30d`}},
		"duplicate key":           {"name: a\ncount: 1\nname: b", []string{"f.yaml:3:1: error: name: duplicate key, first on line 1"}},
		"duplicate key in a map":  {"labels:\n  a: 1\n  a: 2", []string{"f.yaml:3:3: error: labels.a: duplicate key, first on line 2"}},
		"quoted bool":             {`on_call: "true"`, []string{`f.yaml:1:10: error: on_call: got "true", allowed: true or false`}},
		"number out of range":     {"port: 70000", []string{`f.yaml:1:7: error: port: got "70000", allowed: a whole number from 0 to 65535`}},
		"ratio meant as percent":  {"share: 99.9", []string{`f.yaml:1:8: error: share: did you mean 99.9%?, got "99.9", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
		"ratio above one":         {"share: 101%", []string{`f.yaml:1:8: error: share: got "101%", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
		"ratio not a number":      {"share: .nan", []string{`f.yaml:1:8: error: share: got ".nan", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
		"infinite":                {"weight: .inf", []string{`f.yaml:1:9: error: weight: got ".inf", allowed: a number`}},
		"nothing written":         {"count: 1\nname:\nport: 1", []string{"f.yaml:2:1: error: name: has no value, allowed: text"}},
		"empty list element":      {"relabel:\n  -\n", []string{"f.yaml:2:4: error: relabel[0]: has no value"}},
		"scalar for a mapping":    {"limits: 5", []string{`f.yaml:1:9: error: limits: got "5", allowed: a mapping with the fields low, high`}},
		"scalar for a list":       {"tags: x", []string{`f.yaml:1:7: error: tags: got "x", allowed: a list`}},
		"list element":            {"tags: [a, [b]]", []string{`f.yaml:1:11: error: tags[1]: got "a list", allowed: text`}},
		"odd key":                 {`labels: {"a.b": [1]}`, []string{`f.yaml:1:17: error: labels["a.b"]: got "a list", allowed: text`}},
		"validated":               {"limits: {low: 9, high: 1}", []string{"f.yaml:1:15: error: limits.low: above high"}},
		"validated, wrong elsewhere": {"limits: {low: 9, high: 1, lwo: 2}\nteam: nobody\ncount: x", []string{
			"f.yaml:1:27: error: limits.lwo: unknown field, did you mean low?, allowed: low, high",
			`f.yaml:3:8: error: count: got "x", allowed: a whole number`,
			"f.yaml:1:1: error: team must be somebody"}},
		"inline validated":         {"team: nobody", []string{"f.yaml:1:1: error: team must be somebody"}},
		"text unmarshaler":         {"upper: abc", []string{"f.yaml:1:8: error: upper: not in capitals"}},
		"key that is a list":       {"labels: {[a]: b}", []string{"f.yaml:1:10: error: labels: a key is a list or a mapping, allowed: text"}},
		"foreign, unknown inside":  {"http:\n  basic_auth:\n    usrname: x", []string{"f.yaml:3:5: error: http.basic_auth.usrname: unknown field, did you mean username?, allowed: username, username_file, username_ref, password, password_file, password_ref"}},
		"foreign, own validation":  {"http:\n  bearer_token: abc\n  bearer_token_file: def", []string{"f.yaml:2:3: error: http: at most one of bearer_token & bearer_token_file must be configured"}},
		"foreign, deep validation": {"http:\n  tls_config: {ca: a, ca_file: b}", []string{"f.yaml:2:15: error: http.tls_config: at most one of ca, ca_file & ca_ref must be configured"}},
		"foreign, list": {"relabel:\n  - action: kepe\n  - regex: '('\n    colour: red", []string{
			`f.yaml:2:13: error: relabel[0].action: unknown relabel action "kepe"`,
			"f.yaml:3:12: error: relabel[1].regex: error parsing regexp: missing closing ): `^(?s:()$`",
			"f.yaml:4:5: error: relabel[1].colour: unknown field, allowed: source_labels, separator, regex, modulus, target_label, replacement, action"}},
		"secret is not repeated": {"http: {authorization: hunter2, basic_auth: [hunter2]}", []string{
			`f.yaml:1:23: error: http.authorization: got "***", allowed: a mapping with the fields type, credentials, credentials_file, credentials_ref`,
			`f.yaml:1:44: error: http.basic_auth: got "a list", allowed: a mapping with the fields username, username_file, username_ref, password, password_file, password_ref`}},
		"password in a bad URL":       {`proxy: "http://me:hunter2@host:9x"`, []string{"f.yaml:1:8: error: proxy: not a valid URL"}},
		"password in a misplaced URL": {`limits: "http://me:hunter2@host"`, []string{`f.yaml:1:9: error: limits: got "http://***@host", allowed: a mapping with the fields low, high`}},
		"syntax":                      {"a: 1\nb: [1, 2\nc: 3", []string{"f.yaml:2: error: not valid YAML: did not find expected ',' or ']'"}},
		"unknown anchor":              {"a: 1\nb: *x", []string{"f.yaml:2: error: not valid YAML: unknown anchor 'x' referenced"}},
		"bad key indentation":         {"name: a\ncount: 1\n- c", []string{"f.yaml:3: error: not valid YAML: did not find expected key"}},
		"invalid UTF-8":               {"a: 1\nb: \xff", []string{"f.yaml:2: error: not valid YAML: invalid leading UTF-8 octet"}},
		"tab":                         {"a:\n\t- b", []string{"f.yaml:2: error: not valid YAML: found character that cannot start any token"}},
		"not text":                    {"\xff\xfe\x00", []string{"f.yaml: error: not valid YAML: incomplete UTF-16 character"}},
		"alias that holds itself":     {"any: &a [*a]", []string{"f.yaml:1:10: error: nested too deeply, or an alias contains itself, allowed: at most 64 levels"}},
		"merge of a scalar":           {"limits:\n  <<: 5\n  low: 0", []string{`f.yaml:2:7: error: limits["<<"]: got "5", allowed: a mapping to take fields from`}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := decode(t, tc.text, &sample{})
			if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tc.want, "\n  "))
			}
		})
	}
}

func TestAliasesAndMergesAreOrdinaryValues(t *testing.T) {
	var got struct {
		Base  limits            `yaml:"base"`
		First limits            `yaml:"first"`
		Names []string          `yaml:"names"`
		More  []string          `yaml:"more"`
		Set   map[string]string `yaml:"set"`
	}
	lines := decode(t, "base: &b {low: 1, high: 5}\nfirst:\n  <<: *b\n  high: 7\nnames: &n [x]\nmore: *n\nset: {<<: [{a: 1, b: 1}, {b: 2, c: 2}], a: 0}\n", &got)
	if lines != nil {
		t.Fatal(lines)
	}
	if got.First != (limits{1, 7}) || len(got.More) != 1 || got.More[0] != "x" {
		t.Errorf("got %+v", got)
	}
	if want := map[string]string{"a": "0", "b": "1", "c": "2"}; !reflect.DeepEqual(got.Set, want) {
		t.Errorf("merged map is %v, want %v", got.Set, want)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for _, level := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		below := string(level[0] - 1)
		bomb += "a" + level + ": &a" + level + " [" + strings.Repeat("*a"+below+", ", 9) + "*a" + below + "]\n"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"alias bomb": {bomb, "aliases stand for too many values, allowed: at most 100000"},
		"deep":       {strings.Repeat("[", 5000), "not valid YAML"},
		"deep, closed": {strings.Repeat("[", 100) + strings.Repeat("]", 100),
			"nested too deeply, or an alias contains itself, allowed: at most 64 levels"},
		"large": {strings.Repeat("#", 1<<20+1), `f.yaml: error: file is too large, got "1048577 bytes", allowed: at most 1048576 bytes`},
	} {
		t.Run(name, func(t *testing.T) {
			var any any
			lines := decode(t, tc.text, &any)
			if len(lines) != 1 || !strings.Contains(lines[0], tc.want) {
				t.Errorf("got %v, want one problem with %q", lines, tc.want)
			}
		})
	}
}

func TestRawNodesAreDecodedLaterWithTheirPlace(t *testing.T) {
	var got sample
	if lines := decode(t, "name: x\nraw:\n  # kept\n  low: 0\n  hihg: 2\n", &got); lines != nil {
		t.Fatal(lines)
	}
	var l limits
	problems := got.Raw.Decode(&l)
	const want = "f.yaml:5:3: error: raw.hihg: unknown field, did you mean high?, allowed: low, high"
	if len(problems) != 1 || problems[0].String() != want {
		t.Errorf("got %v, want %s", problems, want)
	}
	missing := got.Raw.At("list[3].name").Problem(problem.Problem{Message: "is missing"})
	if want := "f.yaml:4:3: error: raw.list[3].name: is missing"; missing.String() != want {
		t.Errorf("got %s, want %s", missing, want)
	}
}

func TestSeveralDocumentsInOneFile(t *testing.T) {
	docs, problems := strictyaml.Parse("f.yaml", []byte("# only a comment\n---\nname: a\n---\n---\nname: b\n---\nnull\n---\nname: [\n"), 1<<20)
	if len(docs) != 2 || docs[0].At("name").Text() != "a" || docs[1].At("name").Text() != "b" || docs[1].At("name").Line() != 6 {
		t.Errorf("got %+v", docs)
	}
	if problems.Errors() != 1 {
		t.Errorf("want the documents before the syntax error and the error itself, got %v", problems)
	}
}

func TestRatiosAreExact(t *testing.T) {
	for text, want := range map[string]float64{"99.95%": 0.9995, "99.9 %": 0.999, "0.1": 0.1, "100%": 1, "0%": 0, "99.99999%": 0.9999999, "0": 0} {
		if got, ok := strictyaml.ParseRatio(text); !ok || got != want {
			t.Errorf("%s is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "%", "0x1p-2", "1e-1", "nan", "inf", "1,5", "--1", "."} {
		if got, ok := strictyaml.ParseRatio(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"name: x\nevery: 5m", "a: &a [*a]", "<<: [{name: 1}]", "raw: {a: !!binary aGk=}", "http: {basic_auth: {password: x}}",
		"relabel: [{regex: (.*)}]", "? [a]\n: b", "---\n...\n---\n- 1", "proxy: 'http://a:b@c'", "any: 2022-01-01 12:00:00", "labels: {<<: *x}", "share: 1%"} {
		f.Add([]byte(seed), "a.b[0]")
	}
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		docs, _ := strictyaml.Parse("f.yaml", data, 1<<16)
		for _, d := range docs {
			var s sample
			if problems := d.Decode(&s); problems.Err() == nil {
				if s.Share < 0 || s.Share > 1 || s.Every < 0 || s.Limits.Low > s.Limits.High {
					t.Errorf("accepted %+v", s)
				}
				for _, r := range s.Relabel {
					if r == nil || r.Regex.Regexp == nil {
						t.Error("accepted an empty relabelling rule")
					}
				}
			}
			var any any
			_ = d.Decode(&any) // must not panic
			d.At(path).Shown()
		}
	})
}
