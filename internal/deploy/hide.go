package deploy

import (
	"bytes"
	"errors"
	"io"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	hidden     = "<hidden>"
	unreadable = "(neither YAML nor JSON, so it is not shown)\n"
)

var (
	secretKey = regexp.MustCompile(`(?i)(?:pass(?:word|wd|phrase)?|secret|token(?:_?id)?|credentials?|^key|(?:api|routing|service|user|integration|private|account|secret|access|certificate)_?key|api_url|webhook_url|header|secure_?json_?data)s?$`)
	userInfo  = regexp.MustCompile(`(://)[^/\s@"']+@`)
	comment   = regexp.MustCompile(`(?i)(^|\s)#.*(?:pass|secret|token|credential|key|url|header).*$`)
)

// shown hides what looks like a secret in a YAML or JSON text: the values of keys that are named so, the addresses of
// receivers, users in addresses, and comments that speak of any of these. A text of that kind that cannot be read is
// not shown. Others have no keys and are shown.
func shown(name string, data []byte) []byte {
	switch path.Ext(name) {
	case ".md", ".txt", ".tmpl":
		return data
	}
	h, err := hide(data)
	if err != nil {
		return []byte(unreadable)
	}
	var out strings.Builder
	for i, line := range h.lines {
		if h.gone[i+1] {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(comment.ReplaceAllString(userInfo.ReplaceAllString(line, "$1"+hidden+"@"), "$1# "+hidden))
	}
	return []byte(out.String())
}

// HoldsSecrets reports whether a YAML or JSON text has values that differences would not show.
func HoldsSecrets(data []byte) bool {
	h, err := hide(data)
	return err == nil && h.found
}

// hide takes the secret values out of a text.
func hide(data []byte) (*hider, error) {
	h := &hider{lines: strings.Split(string(data), "\n"), gone: map[int]bool{}}
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var root yaml.Node
		err := d.Decode(&root)
		if errors.Is(err, io.EOF) {
			h.until(len(h.lines) + 1)
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		h.walk(&root, false, false)
	}
}

// hider walks a document in its order and takes out the lines of secret values.
type hider struct {
	lines []string
	gone  map[int]bool // by line, from 1
	from  int          // line of the secret value that was met last; 0: the node after it has been met
	found bool         // a secret value
}

// until ends the secret value that was met last at a line.
func (h *hider) until(line int) {
	if h.from > 0 {
		for i := h.from + 1; i < line; i++ {
			h.gone[i] = true
		}
		h.from = 0
	}
}

func (h *hider) walk(n *yaml.Node, secret, receivers bool) {
	if secret {
		h.found = true
		if h.from == 0 {
			h.from = n.Line
			if line := []rune(h.lines[n.Line-1]); n.Column-1 <= len(line) { // else it is cut off already
				h.lines[n.Line-1] = string(line[:n.Column-1]) + hidden
			}
		}
		return
	}
	if n.Kind == yaml.ScalarNode || n.Kind == yaml.AliasNode || len(n.Content) == 0 {
		h.until(n.Line)
		return
	}
	for i, child := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 0 {
			h.walk(child, false, receivers)
			continue
		}
		key := n.Content[i-1].Value
		address := receivers && (key == "url" || key == "urls")
		h.walk(child, secretKey.MatchString(key) || address, receivers || key == "receivers")
	}
}
