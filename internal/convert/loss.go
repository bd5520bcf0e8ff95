package convert

import (
	"slices"

	"github.com/assayer-io/assayer/internal/problem"
)

// Loss names what the documents written do not say although the documents read do. The list is closed.
type Loss string

// Losses that cost a whole document: it is not converted, and the others are.
const (
	NeedsPolling     Loss = "needs-polling"
	UnparsableQuery  Loss = "unparsable-query"
	TemplateVariable Loss = "template-variable"
	UnlikeLegs       Loss = "unlike-legs"
	PluginSLI        Loss = "plugin-sli"
	OtherDataSource  Loss = "other-data-source"
	MissingReference Loss = "missing-reference"
	DuplicateName    Loss = "duplicate-name"
	InvalidValue     Loss = "invalid-value"
	AlertWindows     Loss = "alert-windows"
)

// Losses of a part of a document that is converted.
const (
	AlertName        Loss = "alert-name"
	AlertLabels      Loss = "alert-labels"
	AlertAnnotations Loss = "alert-annotations"
	AlertPolicy      Loss = "alert-policy"
	DisabledAlert    Loss = "disabled-alert"
	SLOPlugin        Loss = "slo-plugin"
	ToolSetting      Loss = "tool-setting"
	DataSource       Loss = "data-source"
	CalendarWindow   Loss = "calendar-window"
	FixedWindow      Loss = "fixed-window"
	SeriesAddedUp    Loss = "series-added-up"
	Renamed          Loss = "renamed"
	Assumed          Loss = "assumed"
	IgnoredField     Loss = "ignored-field"
)

// refusals are the losses that cost a document.
func refusals() []Loss {
	return []Loss{NeedsPolling, UnparsableQuery, TemplateVariable, UnlikeLegs, PluginSLI, OtherDataSource, MissingReference, DuplicateName,
		InvalidValue, AlertWindows}
}

// Losses lists all of them.
func Losses() []Loss {
	return append(refusals(), AlertName, AlertLabels, AlertAnnotations, AlertPolicy, DisabledAlert, SLOPlugin, ToolSetting, DataSource,
		CalendarWindow, FixedWindow, SeriesAddedUp, Renamed, Assumed, IgnoredField)
}

// Refuses reports whether the document is not converted at all.
func (l Loss) Refuses() bool { return slices.Contains(refusals(), l) }

// Notice is one loss in one place. Its problem's message begins with the loss.
type Notice struct {
	Kind Loss `json:"kind"`
	// Document is what the tool calls what the loss is of: card-auth/availability.
	Document string `json:"document"`
	Refused  bool   `json:"refused"` // the document is not converted
	problem.Problem
}

// reason is why a query cannot be streamed.
type reason struct {
	kind    Loss
	message string
}

func (r *reason) Error() string { return r.message }
