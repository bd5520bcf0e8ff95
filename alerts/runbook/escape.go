package runbook

import (
	"regexp"
	"strings"
	"text/template"
)

// marks are the characters that mean something to Markdown within a line.
const marks = "\\`*_{}[]<>#+!|~&$"

var numbered = regexp.MustCompile(`^(\d+)([.)])( |$)`)

// text is what somebody wrote, on one line, with nothing in it that Markdown would take for its own.
func text(s string) string {
	var b strings.Builder
	for _, r := range oneLine(s) {
		if strings.ContainsRune(marks, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	out := numbered.ReplaceAllString(b.String(), `$1\$2$3`)
	if strings.HasPrefix(out, "-") || strings.HasPrefix(out, "=") {
		out = `\` + out
	}
	return out
}

// oneLine turns every stretch of white space into one blank.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// code is a span of code; cell a span in a table, where a bar ends the cell even within code.
func code(s string) string {
	s = oneLine(s)
	ticks := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || s == "" {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

func cell(s string) string { return strings.ReplaceAll(code(s), "|", `\|`) }

// fence is a block of code.
func fence(language string, lines ...string) string {
	all := strings.Join(lines, "\n")
	ticks := strings.Repeat("`", max(3, longestRun(all)+1))
	return ticks + language + "\n" + all + "\n" + ticks + "\n"
}

// longestRun is how many backticks follow each other in s at most.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// link is one to an address of the configuration, in the form that allows blanks and brackets.
func link(title, address string) string {
	escaped := strings.NewReplacer(`\`, `%5C`, "<", "%3C", ">", "%3E").Replace(oneLine(address))
	return "[" + text(title) + "](<" + escaped + ">)"
}

// shell quotes an argument where it has to be.
func shell(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(oneLine(s), "'", `'\''`) + "'"
}

func query(s string) string { return template.URLQueryEscaper(s) }
