package docs_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/reason"
)

// TestReasons holds the page about reason codes to the classes, keys, roles and packs there are.
func TestReasons(t *testing.T) {
	var classes []string
	for _, c := range reason.Classes() {
		own, endToEnd := c.Burns()
		classes = append(classes, string(c)+" "+string(own)+" "+string(endToEnd))
	}
	var written []string
	for _, row := range tables(t, "reasons.md", "classes") {
		written = append(written, strings.Join(slices.Concat(codes(row[0]), codes(row[1]), codes(row[2])), " "))
	}
	wantSame(t, "classes", written, classes)

	code := read(t, "../slo/reason/pack.go")
	for marker, form := range map[string]string{"keys: pack": "packForm", "keys: pack rule": "ruleForm"} {
		_, fields, _ := strings.Cut(code, "type "+form+" struct {")
		fields, _, _ = strings.Cut(fields, "\n}")
		var keys []string
		for _, row := range tables(t, "reasons.md", marker) {
			keys = append(keys, codes(row[0])...)
		}
		wantSame(t, marker, keys, submatches("`yaml:\"([a-z_]+)\"`", fields))
	}
	_, roles, _ := strings.Cut(read(t, "reasons.md"), "<!-- roles -->")
	roles, _, _ = strings.Cut(roles, "A pack may have others")
	_, known, _ := strings.Cut(code, "func roles() []string {")
	known, _, _ = strings.Cut(known, "\n}")
	wantSame(t, "roles", codes(roles), submatches(`"([a-z_]+)"`, known))
}

func TestReasonPacks(t *testing.T) {
	table, err := reason.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, row := range tables(t, "reasons.md", "packs") {
		scheme := codes(row[0])[0]
		written = append(written, scheme)
		if lists := table.Lists(scheme); len(lists)+len(codes(row[1])) > 0 {
			wantSame(t, "lists of "+scheme, codes(row[1]), lists)
		}
		data, err := os.ReadFile("../slo/reason/packs/" + scheme + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if pack, _ := reason.Parse(scheme, data); pack.AsOf != row[3] {
			t.Errorf("%s is as of %s, the manual says %s", scheme, pack.AsOf, row[3])
		}
	}
	wantSame(t, "schemes", written, table.Schemes())
	for _, f := range fences(t, "yaml", "pack") {
		if _, problems := reason.Parse(f.page, []byte(f.text)); len(problems) > 0 {
			t.Errorf("the pack in %s: %v", f.page, problems)
		}
	}
}
