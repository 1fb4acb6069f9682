// Package logging bounds the log of the library. Strangers decide how many requests
// are rejected, and which texts those requests contain. The package clips the texts
// of each line, and writes the same warning at level Warn only once a minute.
//
// The package does not know refusals, or their levels, which its caller passes.
package logging

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// maxText bounds one text of a line, and maxLine all texts of a line together,
	// in bytes. After maxLine, a text still gets leastText.
	maxText   = 512
	maxLine   = 3 * maxText
	leastText = 64

	// interval is the time in which a warning is written once.
	interval = time.Minute
	// maxKeys bounds the warnings that are distinguished. The library has fewer. The
	// errors of an application can have any number of reasons.
	maxKeys = 256
)

// New returns a logger whose lines are short, and whose warnings are written at
// level Debug if a warning with the same message was written at level Warn within
// the last minute. All loggers that derive from it share that memory. New(nil) writes
// to [slog.Default].
func New(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.Default()
	}
	return slog.New(handler{next: log.Handler(), recent: &warnings{}})
}

// Line decides how a line with a reference is written. If the level is Warn, and a
// line with the same op and reason was written at level Warn within the last minute,
// the line gets level Debug. Neither op nor reason may be a text from a request.
//
// The caller writes the line to the returned logger, at the returned level. That
// logger clips texts and does not lower the level again. The logger is nil if the
// caller must omit the line, because the log excludes level Debug. Line then returns
// the reference of the earlier line, so that a visitor never quotes a reference
// missing in the log. The reference is empty if there is no earlier line.
//
// A log that was not made by [New] has no memory: no level is lowered.
func Line(ctx context.Context, log *slog.Logger, level slog.Level, op, reason string) (_ *slog.Logger, at slog.Level, reference string) {
	h, ok := log.Handler().(handler)
	if !ok {
		h = handler{next: log.Handler()}
	}
	if level == slog.LevelWarn && h.recent != nil {
		level, reference = h.recent.level(warning{op, reason})
	}
	if level == slog.LevelDebug && !h.Enabled(ctx, level) {
		return nil, level, reference
	}
	if reference == "" || level == slog.LevelDebug {
		reference = newReference() // an earlier line has the other
	}
	h.recent = nil
	return slog.New(h), level, reference
}

func newReference() string { return strings.ToLower(rand.Text()[:8]) }

// A handler clips the texts of each line, and lowers the level of warnings.
type handler struct {
	next slog.Handler
	// recent is nil if the level is decided already.
	recent *warnings
}

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	level := r.Level
	if h.recent != nil && level == slog.LevelWarn {
		level, _ = h.recent.level(warning{op: r.Message})
		if !h.next.Enabled(ctx, level) {
			return nil
		}
	}
	clipped := slog.NewRecord(r.Time, level, clip(r.Message, maxText), r.PC)
	left := budget(maxLine)
	r.Attrs(func(a slog.Attr) bool {
		clipped.AddAttrs(left.attr(a))
		return true
	})
	return h.next.Handle(ctx, clipped)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	left := budget(maxLine)
	h.next = h.next.WithAttrs(left.attrs(attrs))
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	return h
}

// A budget is the number of bytes left for the texts of a line.
type budget int

// text clips a text, and subtracts its length from the budget.
func (b *budget) text(s string) slog.Value {
	s = clip(s, max(leastText, min(maxText, int(*b))))
	*b -= budget(len(s))
	return slog.StringValue(s)
}

// attr clips the texts of an attribute. A value of any type that is neither a text
// nor a number becomes a text, since a handler would print it at full length.
func (b *budget) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		v = b.text(v.String())
	case slog.KindGroup:
		v = slog.GroupValue(b.attrs(v.Group())...)
	case slog.KindAny:
		switch x := v.Any().(type) {
		case nil:
		case error:
			v = b.text(x.Error())
		default:
			v = b.text(fmt.Sprint(x)) // the argument of a panic, for example
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}

func (b *budget) attrs(attrs []slog.Attr) []slog.Attr {
	clipped := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clipped[i] = b.attr(a)
	}
	return clipped
}

// A warning is the identity of a warning. A line without a reason has its message as
// op.
type warning struct{ op, reason string }

// warnings are those written at level Warn within the last minute.
type warnings struct {
	mu      sync.Mutex
	written map[warning]writtenLine
}

type writtenLine struct {
	at        time.Time
	reference string
}

// level returns Warn for the first line of a warning within interval, else Debug. The
// reference is that of the last line at level Warn.
func (w *warnings) level(key warning) (_ slog.Level, reference string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.written[key]; !known && len(w.written) >= maxKeys {
		key = warning{} // all further ones count as one
	}
	last, now := w.written[key], time.Now()
	if !last.at.IsZero() && now.Sub(last.at) < interval {
		return slog.LevelDebug, last.reference
	}
	if w.written == nil {
		w.written = map[warning]writtenLine{}
	}
	last = writtenLine{now, newReference()}
	w.written[key] = last
	return slog.LevelWarn, last.reference
}

// clip makes an untrusted text fit for one line of a log: without line breaks and
// without characters that a terminal interprets or hides, and with at most limit
// bytes, then "..." after a cut.
func clip(s string, limit int) string {
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
