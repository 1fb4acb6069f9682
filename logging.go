package auth0

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

const (
	// maxLogText bounds one text of a log line, and maxLogLine all texts of it
	// together, in bytes. Beyond maxLogLine a text still gets leastLogText.
	maxLogText   = 512
	maxLogLine   = 3 * maxLogText
	leastLogText = 64

	// logInterval is how often a warning is written that strangers can cause.
	logInterval = time.Minute
	// maxLogKeys bounds the warnings that are told apart. There are fewer, unless
	// the errors of an application have names without end.
	maxLogKeys = 256
)

// newLogger returns a logger for a Strategy or an API. Every line of this package
// goes through it, so that no line is longer than its reader expects, and no
// stranger decides how many there are.
func newLogger(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.Default()
	}
	return slog.New(logHandler{next: log.Handler(), seldom: &seldom{}})
}

// A logHandler clips the texts of a line, and writes a warning at debug level if
// the same one was written within logInterval.
type logHandler struct {
	next slog.Handler
	// seldom is nil for a logger whose caller has decided the level.
	seldom *seldom
}

func (h logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	level := r.Level
	if h.seldom != nil && level == slog.LevelWarn {
		level, _ = h.seldom.level(logKey{op: r.Message}, level)
		if !h.next.Enabled(ctx, level) {
			return nil
		}
	}
	clipped := slog.NewRecord(r.Time, level, clipTo(r.Message, maxLogText), r.PC)
	left := maxLogLine
	r.Attrs(func(a slog.Attr) bool {
		clipped.AddAttrs(clipAttr(a, &left))
		return true
	})
	return h.next.Handle(ctx, clipped)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	left := maxLogLine
	clipped := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clipped[i] = clipAttr(a, &left)
	}
	h.next = h.next.WithAttrs(clipped)
	return h
}

func (h logHandler) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	return h
}

// clipAttr clips the texts of an attribute, and takes their length off left.
func clipAttr(a slog.Attr, left *int) slog.Attr {
	text := func(s string) slog.Value {
		s = clipTo(s, max(leastLogText, min(maxLogText, *left)))
		*left -= len(s)
		return slog.StringValue(s)
	}
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		v = text(v.String())
	case slog.KindGroup:
		var group []slog.Attr
		for _, member := range v.Group() {
			group = append(group, clipAttr(member, left))
		}
		v = slog.GroupValue(group...)
	case slog.KindAny:
		switch x := v.Any().(type) {
		case nil:
		case error:
			v = text(x.Error())
		default:
			v = text(fmt.Sprint(x)) // what a panic was called with, for example
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// A logKey tells warnings apart. Neither field is a text from outside.
type logKey struct{ op, reason string }

// seldom knows which warnings were written of late.
type seldom struct {
	mu      sync.Mutex
	written map[logKey]writtenLine
}

type writtenLine struct {
	at        time.Time
	reference string
}

// level returns the level for a line: the given one for the first of its key
// within logInterval, else debug. Reference is that of the line written last at
// the given level, so that a page whose own line is left out can quote one that
// is in the log.
func (s *seldom) level(key logKey, level slog.Level) (_ slog.Level, reference string) {
	if s == nil {
		return level, newReference()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.written[key]; !known && len(s.written) >= maxLogKeys {
		key = logKey{}
	}
	last, now := s.written[key], time.Now()
	if !last.at.IsZero() && now.Sub(last.at) < logInterval {
		return slog.LevelDebug, last.reference
	}
	if s.written == nil {
		s.written = map[logKey]writtenLine{}
	}
	last = writtenLine{now, newReference()}
	s.written[key] = last
	return level, last.reference
}

func newReference() string { return strings.ToLower(rand.Text()[:8]) }

// line decides at what level a refusal is written, and with which reference.
// What is a client's way of asking where to log in is no warning. A fault of ours
// is written each time. Of everything else the first of each reason within
// logInterval is a warning: strangers cause it, and must not fill the log.
//
// Log is nil if the line is left out.
func (x exit) line(ctx context.Context, e *Error) (log *slog.Logger, level slog.Level, reference string) {
	log = x.logger()
	h, ok := log.Handler().(logHandler)
	if !ok {
		h.next = log.Handler()
	}
	switch {
	case e.Reason == refusal.Canceled.Reason, e.Reason == refusal.LoginRequired.Reason, e.Op == "bearer" && e.Reason == refusal.NoToken.Reason:
		level = slog.LevelDebug
	case e.Status == refusal.Internal.Status:
		level = slog.LevelError
	default:
		level, reference = h.seldom.level(logKey{e.Op, e.Reason}, slog.LevelWarn)
	}
	if level == slog.LevelDebug && !h.Enabled(ctx, level) {
		return nil, level, reference
	}
	if reference == "" || level == slog.LevelDebug {
		reference = newReference()
	}
	h.seldom = nil
	return slog.New(h), level, reference
}

// clipTo makes a text from outside fit for one line of a log.
func clipTo(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	s = strings.ReplaceAll(s, "\n", "; ") // between joined errors
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > limit {
		s, cut = strings.ToValidUTF8(s[:limit], ""), true
	}
	if cut {
		s += "..."
	}
	return s
}
