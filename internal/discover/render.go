package discover

import (
	"fmt"
	"strings"
)

// commentWidth is how long lines of comments become, in bytes.
const commentWidth = 118

// Render writes documents as one file to edit. head is the comment at its top, a paragraph each.
func Render(head []string, docs []Document, left []string) string {
	var b strings.Builder
	for _, text := range head {
		comment(&b, 0, text)
	}
	for _, text := range left {
		comment(&b, 0, "Left out: "+text+".")
	}
	for i := range docs {
		b.WriteString("---\n" + docs[i].YAML())
	}
	return b.String()
}

// YAML writes the document with its comments.
func (d *Document) YAML() string {
	var b strings.Builder
	comment(&b, 0, d.Title)
	for _, note := range d.notes {
		comment(&b, 0, note)
	}
	fmt.Fprintf(&b, "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata:\n  name: %s\nspec:\n", d.Name)
	if d.Service != "" && d.Service != d.Name {
		fmt.Fprintf(&b, "  service: %s\n", quote(d.Service))
	}
	if d.Rail != "" {
		fmt.Fprintf(&b, "  rail: %s\n", d.Rail)
		return b.String()
	}
	for _, sig := range d.Signals {
		for _, text := range sig.why {
			comment(&b, 2, text)
		}
		fmt.Fprintf(&b, "  %s:\n", sig.Kind)
		for _, f := range sig.fields {
			fmt.Fprintf(&b, "    %s: %s\n", f.key, f.value)
		}
		for _, line := range sig.other {
			fmt.Fprintf(&b, "    # %s\n", oneLine(line))
		}
	}
	return b.String()
}

// yaml is the signal on one line, to stand as an alternative in a comment.
func (s *Signal) yaml() []string {
	var parts []string
	for _, f := range s.fields {
		parts = append(parts, f.key+": "+f.value)
	}
	return []string{fmt.Sprintf("or %s: {%s}", s.Kind, strings.Join(parts, ", "))}
}

// comment writes text as lines that begin with #, broken between words; one that begins with | as it is.
func comment(b *strings.Builder, indent int, text string) {
	if text == "" {
		return
	}
	begin := strings.Repeat(" ", indent) + "#"
	if line, ok := strings.CutPrefix(text, "|"); ok {
		b.WriteString(begin + "   " + oneLine(line) + "\n")
		return
	}
	line := begin
	for word := range strings.FieldsSeq(oneLine(text)) {
		if len(line)+1+len(word) > commentWidth && line != begin {
			b.WriteString(line + "\n")
			line = begin
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
