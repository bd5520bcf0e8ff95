package discover

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// meaning is what a label's value says of an event.
type meaning int

const (
	unsaid meaning = iota
	went           // it went well
	caller         // it was refused for the caller's sake: a decline, a mistake, a request for what is not there
	failed         // it failed for ours
)

// alphabet is how a label spells outcomes.
type alphabet int

const (
	words alphabet = iota
	httpCodes
	httpClasses // 5xx
	grpcCodes   // by name
	grpcNumbers
)

// outcomeLabels may say how an event ended, the first that does counts.
func outcomeLabels() []string {
	return []string{"outcome", "result", "http_response_status_code", "http_status_code", "rpc_grpc_status_code", "rpc_response_status_code",
		"grpc_code", "grpc_status", "response_code", "status_code", "code", "code_class", "status_class", "status", "state", "response", "rcode", "error", "success"}
}

var (
	httpCode  = regexp.MustCompile(`^[1-5][0-9][0-9]$`)
	httpClass = regexp.MustCompile(`^[1-5](?:xx|XX)$`)
)

// failures are words for what is the service's own fault, good ones for what went well, refusals for what the
// caller brought about. A word counts where it is the whole value, without regard to case, _ and -.
func failures() []string {
	return []string{"bad", "error", "errors", "err", "fail", "failed", "failure", "fault", "faulted", "technical", "technicalerror", "systemerror", "servererror",
		"internalerror", "internal", "timeout", "timedout", "deadlineexceeded", "unavailable", "exception", "crashed", "panic", "aborted", "dropped", "lost", "servfail"}
}

func successes() []string {
	return []string{"good", "ok", "success", "successful", "succeeded", "approved", "accepted", "completed", "complete", "done", "settled", "broadcast", "sent", "delivered",
		"passed", "processed", "confirmed", "noerror", "hit"}
}

func refusals() []string {
	return []string{"business", "declined", "decline", "rejected", "reject", "refused", "denied", "invalid", "clienterror", "badrequest", "notfound", "unauthorized", "unauthenticated",
		"forbidden", "permissiondenied", "cancelled", "canceled", "cancel", "excluded", "duplicate", "ignored", "skipped", "throttled", "limited", "ratelimited", "blocked",
		"insufficientfunds", "fraud", "compliance", "conflict", "miss", "nxdomain", "redirection"}
}

// grpcFailures are the codes that a server answers with for its own sake, by name and by number.
func grpcFailures() ([]string, []string) {
	return []string{"Unknown", "DeadlineExceeded", "ResourceExhausted", "Internal", "Unavailable", "DataLoss"}, []string{"2", "4", "8", "13", "14", "15"}
}

// grpcOthers are the rest of the codes.
func grpcOthers() []string {
	return []string{"OK", "Canceled", "InvalidArgument", "NotFound", "AlreadyExists", "PermissionDenied", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Unauthenticated"}
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "")

func plainWord(value string) string { return strings.ToLower(separators.Replace(value)) }

// meaningOf says what a word means.
func meaningOf(value string) meaning {
	switch word := plainWord(value); {
	case slices.Contains(failures(), word):
		return failed
	case slices.Contains(refusals(), word):
		return caller
	case slices.Contains(successes(), word):
		return went
	}
	return unsaid
}

// outcome is a label that says how events ended.
type outcome struct {
	label    string
	spelled  alphabet
	values   map[string]float64
	bad      []string // values or, for codes, a pattern
	business []string // values that are excluded: a decline is no event of ours
	unsaid   []string // values of no meaning known, which count as good
}

// spell finds how the values of a label are written. Numbers are codes of HTTP only if all are.
func spell(label string, values map[string]float64) alphabet {
	all := func(fits func(string) bool) bool {
		for v := range values {
			if !fits(v) {
				return false
			}
		}
		return len(values) > 0
	}
	names, _ := grpcFailures()
	switch {
	case all(httpCode.MatchString):
		return httpCodes
	case all(func(v string) bool { return httpClass.MatchString(v) || v == "other" }) && len(values) > 1:
		return httpClasses
	case strings.Contains(label, "grpc") && all(func(v string) bool { return len(v) <= 2 && strings.Trim(v, "0123456789") == "" }):
		return grpcNumbers
	case all(func(v string) bool { return slices.Contains(names, v) || slices.Contains(grpcOthers(), v) }):
		return grpcCodes
	}
	return words
}

// outcomeOf looks for a label of a counter that says how its events ended; nil: none does. With words,
// one of them has to say that an event failed, since nobody knows what a failure will be called.
func outcomeOf(f *family) *outcome {
	have := f.labelNames()
	for _, label := range outcomeLabels() {
		if !slices.Contains(have, label) {
			continue
		}
		o := &outcome{label: label, values: f.values(label)}
		if o.spelled = spell(label, o.values); o.spelled != words {
			return o
		}
		for _, v := range slices.Sorted(maps.Keys(o.values)) {
			switch meaning := meaningOf(v); {
			case sensitive(v) != "":
			case meaning == failed:
				o.bad = append(o.bad, v)
			case plainWord(v) == "business" || plainWord(v) == "excluded" || plainWord(v) == "declined" || plainWord(v) == "decline":
				o.business = append(o.business, v)
			case meaning == unsaid:
				o.unsaid = append(o.unsaid, v)
			}
		}
		if len(o.bad) > 0 {
			return o
		}
		if truth := truthOf(label, o.values); truth != "" {
			o.bad, o.unsaid = []string{truth}, nil
			return o
		}
	}
	return nil
}

// truthOf is the value that means failure of a label such as error="true" or success="false".
func truthOf(label string, values map[string]float64) string {
	for v := range values {
		if w := strings.ToLower(v); w != "true" && w != "false" {
			return ""
		}
	}
	want := map[string]string{"error": "true", "success": "false"}[label]
	for v := range values {
		if strings.EqualFold(v, want) {
			return v
		}
	}
	return ""
}

// why says what is bad, what is not, and for what reason.
func (o *outcome) why() string {
	seen := fmt.Sprintf("Values of %s seen: %s. ", shown(o.label), listed(o.values))
	switch o.spelled {
	case httpCodes, httpClasses:
		return seen + "5xx is the service's own failure; 4xx is what a caller did wrong or may not do, and counts as good."
	case grpcCodes, grpcNumbers:
		return seen + "The codes chosen are the server's own failures; NotFound, InvalidArgument, Canceled and the like are the caller's doing and count as good."
	}
	text := seen + "Taken for the service's own failures: " + strings.Join(o.bad, ", ") + "."
	if len(o.business) > 0 {
		text += " Left out of the total as nobody's failure: " + strings.Join(o.business, ", ") + "."
	}
	if len(o.unsaid) > 0 {
		text += " Counted as good, since nothing tells what they mean: " + listed(setOf(o.unsaid)) + "."
	}
	return text
}

func setOf(values []string) map[string]float64 {
	out := map[string]float64{}
	for _, v := range values {
		out[v] = 0
	}
	return out
}
