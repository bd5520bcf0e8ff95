// Package deploy brings what was generated to where it is used, and tells what differs there:
//
//	TARGET   DO      KIND       NAME              WHY
//	grafana  create  dashboard  assayer-cost
//	grafana  update  dashboard  assayer-on-call   edited by anna at 2026-11-22T10:04:05Z, since it was last applied
//	grafana  delete  dashboard  assayer-old       no longer generated
//
// A [Target] is one place. It says what it wants of the generated files and what is there; [Compare] makes a [Plan] of
// the two, [Apply] carries the plan out, and a [Watcher] makes plans again and again and writes nothing.
//
// Three rules hold for every target. What is not ours is never touched: an object of the same name is a conflict, and
// with a conflict nothing is changed at all. Whether an object is ours is noted before it is written, so that an apply
// that was killed is completed by the next one. And nothing is replaced that is no longer as the plan saw it.
//
// The variants are the folders below. Kubernetes, by server-side apply, is to be one more: Deployed lists by label and
// Do patches with a field manager.
package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/problem"
)

// Object is one thing that is or should be deployed.
type Object struct {
	Kind string // file, dashboard, folder, rule-group
	Name string // unique with Kind at one target: a path, a UID
	// Text is the content in its canonical form, for people to compare: equal texts mean the same. It is what is
	// written into a file.
	Text []byte
	Data any // what was read out of it, for the target itself
	// Mode has the bits of a file that is new; 0: those that its target gives new files.
	Mode fs.FileMode
}

// Found is an object that is deployed.
type Found struct {
	Object
	Ours    bool
	Foreign string // why it is not, and what to do next; set when Ours is not
	Free    bool   // it is not, and nobody else is known to keep it up: it becomes ours when it is as wanted
	// Same says that it is what was wanted though its text differs: the server keeps another form of the same.
	Same   bool
	Edited string // it is known to have been changed since it was last applied: by whom and when, as far as known
	// Version is what Do holds the destination to: nothing is written once it is another one.
	Version string
}

// State is what a target has.
type State struct {
	Found   []Found
	Pending string // why what is deployed is not in force; empty: it is
	Busy    bool   // an apply is under way, or was while this was read: what is told is of a moment that has passed
	Version string // of what is noted as ours; Begin refuses a plan once it is another one. Empty: nothing is noted, or nobody knows
}

// Target is one place where things are deployed. Its methods are called by one goroutine at a time.
type Target interface {
	// Wanted picks what belongs there, in the order in which it is to be made. It checks all of it.
	Wanted(files []artifact.File) ([]Object, error)
	// Deployed reads all that is ours there, and whatever has the kind and name of something wanted.
	Deployed(ctx context.Context, wanted []Object) (State, error)
	// Begin takes the target for itself and notes what is going to be done.
	Begin(ctx context.Context, p Plan) (Session, error)
}

// Undoer is a Session of a target whose changes count together or not at all.
type Undoer interface {
	// Undo makes everything as it was when it was last in force, after Do or Commit has failed for the reason why, and
	// gives that reason with what was done about it. It works also when ctx has ended.
	Undo(ctx context.Context, why error) error
}

// Session carries out one plan. It may be an [Undoer].
type Session interface {
	// Do makes one change, wholly or not at all. It gives ErrChanged when the object is not as the plan saw it.
	Do(ctx context.Context, s Step) error
	// Commit puts what was done in force and checks that it is.
	Commit(ctx context.Context) error
	// End lets go of the target. What was done stays.
	End() error
}

// ErrChanged says that somebody changed an object between plan and change.
var ErrChanged = errors.New("it was changed by somebody else meanwhile; nothing of theirs was overwritten: look at the difference and apply again")

// Sum is the hash by which contents are told apart.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Span gives a duration, which servers tell again in a spelling of their own, in one spelling; what is none stays.
func Span(text string) string {
	if d, err := model.ParseDuration(text); err == nil {
		return d.String()
	}
	if d, err := time.ParseDuration(text); err == nil {
		return model.Duration(d).String()
	}
	return text
}

// Entry is what every entry of the section deploy has, whatever its kind.
type Entry struct {
	Name  string        `yaml:"name"`
	Kind  string        `yaml:"kind"`
	Watch time.Duration `yaml:"watch"` // how often the agent looks for drift; 0: never
}

// minWatch keeps the agent from asking servers all the time.
const minWatch = 10 * time.Second

// Validate reports what cannot be kept.
func (e Entry) Validate() error {
	if e.Watch != 0 && e.Watch < minWatch {
		return problem.List{{Path: "watch", Got: e.Watch.String(), Allowed: "at least " + minWatch.String() + ", or nothing"}}
	}
	return nil
}
