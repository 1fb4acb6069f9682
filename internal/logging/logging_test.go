package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/seed-15d5a55c/auth0/internal/logging"
)

// A written line is one line of a log.
type written struct {
	level slog.Level
	msg   string
	attrs []slog.Attr
}

// A sink is a handler that keeps its lines.
type sink struct {
	least slog.Level
	lines []written
}

func (s *sink) Enabled(_ context.Context, level slog.Level) bool { return level >= s.least }
func (s *sink) WithAttrs([]slog.Attr) slog.Handler               { panic("not needed here") }
func (s *sink) WithGroup(string) slog.Handler                    { panic("not needed here") }
func (s *sink) Handle(_ context.Context, r slog.Record) error {
	line := written{level: r.Level, msg: r.Message}
	r.Attrs(func(a slog.Attr) bool { line.attrs = append(line.attrs, a); return true })
	s.lines = append(s.lines, line)
	return nil
}

// levels returns the levels of the lines, and empties the sink.
func (s *sink) levels() string {
	var all []string
	for _, line := range s.lines {
		all = append(all, line.level.String())
	}
	s.lines = nil
	return strings.Join(all, " ")
}

func newSink(least slog.Level) (*sink, *slog.Logger) {
	s := &sink{least: least}
	return s, logging.New(slog.New(s))
}

// expect fails the test unless got equals the wanted value.
func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestTextIsFitForALog(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ why, text, want string }{
		{"nothing", "", ""},
		{"plain", "Ada Lovelace, \"é\" 世界", "Ada Lovelace, \"é\" 世界"},
		{"lines", "one\ntwo\n", "one; two; "},
		{"controls", "a\r\t\x00\x1b[31mb\x7f", "a????[31mb?"},
		{"direction and zero width", "a\u202eb\u200bc\u00a0d\u2028e", "a?b?c?d?e"},
		{"no UTF-8", "a\xffb", "a\ufffdb"},
		{"just short enough", strings.Repeat("a", 512), strings.Repeat("a", 512)},
		{"one byte too long", strings.Repeat("a", 513), strings.Repeat("a", 512) + "..."},
		{"cut in a character", "a" + strings.Repeat("é", 256), "a" + strings.Repeat("é", 255) + "..."},
		{"many lines", strings.Repeat("\n", 256), strings.Repeat("; ", 256)},
		{"grows beyond the limit", strings.Repeat("\n", 257), strings.Repeat("; ", 256) + "..."},
		{"grows in a character", strings.Repeat("\xff", 200), strings.Repeat("\ufffd", 170) + "..."},
		{"shrinks below the limit", strings.Repeat("\u202e", 171), strings.Repeat("?", 170) + "..."},
	} {
		t.Run(tt.why, func(t *testing.T) {
			s, log := newSink(slog.LevelInfo)
			log.Info(tt.text, "text", tt.text)
			expect(t, "message", s.lines[0].msg, tt.want)
			expect(t, "attribute", s.lines[0].attrs[0].Value.String(), tt.want)
			if !utf8.ValidString(s.lines[0].msg) {
				t.Errorf("%q is no UTF-8", s.lines[0].msg)
			}
		})
	}
}

// A valuer resolves late to its value.
type valuer struct{ v any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }

// TestEveryTextIsClipped has each form of attribute with a text.
func TestEveryTextIsClipped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 9_000)
	want := strings.Repeat("a", 512) + "..."
	for _, tt := range []struct {
		why  string
		attr slog.Attr
		want string
	}{
		{"text", slog.String("k", long), want},
		{"error", slog.Any("k", errors.New(long)), want},
		{"other type", slog.Any("k", []string{long}), "[" + want[:511] + "..."},
		{"what a panic says", slog.Any("k", struct{ A, B any }{1, "b\n"}), "{1 b; }"},
		{"said late", slog.Any("k", valuer{long}), want},
		{"error said late", slog.Any("k", valuer{errors.New(long)}), want},
		{"group", slog.Group("k", "in", long, "n", 7), "[in=" + want + " n=7]"},
		{"group in a group", slog.Group("k", slog.Group("in", "deep", long)), "[in=[deep=" + want + "]]"},
		{"nothing", slog.Any("k", nil), "<nil>"},
		{"number", slog.Int("k", 12345), "12345"},
		{"truth", slog.Bool("k", true), "true"},
		{"duration", slog.Duration("k", time.Minute), "1m0s"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			s, log := newSink(slog.LevelInfo)
			log.LogAttrs(t.Context(), slog.LevelInfo, "m", tt.attr, slog.Int("next", 1))
			expect(t, "number of attributes", len(s.lines[0].attrs), 2)
			expect(t, "key", s.lines[0].attrs[0].Key, "k")
			expect(t, "value", s.lines[0].attrs[0].Value.String(), tt.want)

			var out bytes.Buffer
			logging.New(slog.New(slog.NewJSONHandler(&out, nil))).With(tt.attr).WithGroup("g").Info("m", tt.attr)
			var line map[string]any
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			inGroup, _ := line["g"].(map[string]any)
			expect(t, "of the logger", fmt.Sprint(line["k"]), fmt.Sprint(inGroup["k"]))
			if out.Len() > 1_300 {
				t.Errorf("a line of %d bytes", out.Len())
			}
		})
	}
}

// TestLineIsBounded: texts share 1536 bytes, and each of the others has 64.
func TestLineIsBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why  string
		size []int
		want []int
	}{
		{"within the bounds", []int{500, 500, 500, 30}, []int{500, 500, 500, 30}},
		{"to the last byte", []int{512, 512, 512, 64}, []int{512, 512, 512, 64}},
		{"the rest", []int{600, 600, 600, 600}, []int{512 + 3, 512 + 3, 1536 - 2*515 + 3, 64 + 3}},
		{"after the last byte", []int{512, 512, 512, 65, 1}, []int{512, 512, 512, 64 + 3, 1}},
		{"many", []int{512, 512, 512, 90, 90, 90}, []int{512, 512, 512, 67, 67, 67}},
	} {
		for _, group := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.why, ", in a group ", group), func(t *testing.T) {
				var attrs []any
				for i, size := range tt.size {
					attrs = append(attrs, slog.String(fmt.Sprint(i), strings.Repeat("a", size)))
				}
				if group {
					attrs = []any{slog.Group("g", attrs...)}
				}
				s, log := newSink(slog.LevelInfo)
				log.Info(strings.Repeat("m", 600), attrs...)
				got := s.lines[0].attrs
				if group {
					got = got[0].Value.Group()
				}
				for i, a := range got {
					expect(t, fmt.Sprint("size of ", i), len(a.Value.String()), tt.want[i])
				}
				expect(t, "attributes", len(got), len(tt.want))
				expect(t, "size of the message", len(s.lines[0].msg), 515)
			})
		}
	}
}

func TestWarningIsWrittenOnceInAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := newSink(slog.LevelDebug)
		log.Warn("a")
		log.Warn("a")
		log.Warn("b")
		log.Warn("b")
		expect(t, "levels", s.levels(), "WARN DEBUG WARN DEBUG")
		time.Sleep(time.Minute - 1)
		log.Warn("a")
		expect(t, "just before", s.levels(), "DEBUG")
		time.Sleep(time.Nanosecond)
		log.Warn("a")
		log.Warn("a")
		expect(t, "after a minute", s.levels(), "WARN DEBUG")
		// Other levels stay as they are.
		for range 3 {
			log.Error("e")
			log.Info("i")
			log.Debug("d")
		}
		expect(t, "other levels", s.levels(), strings.TrimSpace(strings.Repeat("ERROR INFO DEBUG ", 3)))
	})
}

func TestWarningIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := newSink(slog.LevelInfo)
		for range 4 {
			log.Warn("a", "n", 1)
		}
		expect(t, "levels", s.levels(), "WARN")
		if !log.Enabled(t.Context(), slog.LevelInfo) || log.Enabled(t.Context(), slog.LevelDebug) {
			t.Error("the logger is not enabled for the levels of the log")
		}
	})
}

// TestDerivedLoggersShareTheMemory: With and WithGroup do not start a new memory.
func TestDerivedLoggersShareTheMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := logging.New(slog.New(slog.NewTextHandler(&out, nil)))
		log.With("a", 1).Warn("m")
		log.WithGroup("g").Warn("m")
		log.Warn("m")
		if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN msg=m a=1\n") {
			t.Errorf("log %q", text)
		}
		_, level, _ := logging.Line(t.Context(), log.With("a", 1), slog.LevelWarn, "op", "reason")
		_, again, _ := logging.Line(t.Context(), log, slog.LevelWarn, "op", "reason")
		expect(t, "first level", level, slog.LevelWarn)
		expect(t, "second level", again, slog.LevelDebug)
	})
}

// TestWarningsToldApartAreBounded: 256 warnings count apart, and all others as one.
func TestWarningsToldApartAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := newSink(slog.LevelWarn)
		for i := range 256 {
			log.Warn(fmt.Sprint("m", i))
		}
		expect(t, "warnings", len(s.lines), 256)
		log.Warn("one more")
		expect(t, "with the first of the others", len(s.lines), 257)
		for i := range 300 {
			log.Warn(fmt.Sprint("other", i))
		}
		expect(t, "with all others", len(s.lines), 257)
		time.Sleep(time.Minute)
		log.Warn("m0")
		log.Warn("m255")
		log.Warn("one more")
		log.Warn("other")
		expect(t, "after a minute", len(s.lines), 260)
	})
}

// write writes a line as the library does, and returns its reference.
func write(ctx context.Context, log *slog.Logger, level slog.Level, op, reason string) (reference string, isWritten bool) {
	line, level, reference := logging.Line(ctx, log, level, op, reason)
	if line == nil {
		return reference, false
	}
	line.LogAttrs(ctx, level, "refused", slog.String("reference", reference))
	return reference, true
}

// TestReferenceIsInTheLog: each line of a log of level Debug has its own reference. In
// another log, an omitted line has the reference of the line before it.
func TestReferenceIsInTheLog(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		least  slog.Level // of the log
		level  slog.Level
		levels string // of three lines, one for another reason, one for another op, and one after a minute
		refs   string // equal letters are equal references
	}{
		{"warnings, all are written", slog.LevelDebug, slog.LevelWarn, "WARN DEBUG DEBUG WARN WARN WARN", "abcdef"},
		{"warnings", slog.LevelInfo, slog.LevelWarn, "WARN WARN WARN WARN", "aaabcd"},
		{"errors", slog.LevelInfo, slog.LevelError, "ERROR ERROR ERROR ERROR ERROR ERROR", "abcdef"},
		{"debug, all are written", slog.LevelDebug, slog.LevelDebug, "DEBUG DEBUG DEBUG DEBUG DEBUG DEBUG", "abcdef"},
		{"debug", slog.LevelInfo, slog.LevelDebug, "", "------"},
		// The log alone decides about a line of another level.
		{"informations", slog.LevelInfo, slog.LevelInfo, "INFO INFO INFO INFO INFO INFO", "abcdef"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, log := newSink(tt.least)
				letters := map[string]byte{"": '-'}
				var refs []byte
				first := [2]string{"op", "reason"}
				for i, key := range [][2]string{first, first, first, {"op", "other"}, {"other", "reason"}, first} {
					if i == 5 {
						time.Sleep(time.Minute)
					}
					before := len(s.lines)
					reference, isWritten := write(t.Context(), log, tt.level, key[0], key[1])
					if letters[reference] == 0 {
						letters[reference] = byte('a' + len(letters) - 1)
					}
					refs = append(refs, letters[reference])
					if isWritten != (len(s.lines) == before+1) {
						t.Errorf("line %d: written %v, %d lines", i, isWritten, len(s.lines)-before)
					}
					if isWritten {
						expect(t, "reference in the log", s.lines[before].attrs[0].Value.String(), reference)
					}
				}
				expect(t, "references", string(refs), tt.refs)
				expect(t, "levels", s.levels(), tt.levels)
			})
		})
	}
}

// TestReferenceIsEasyToQuote: eight lower-case letters and digits.
func TestReferenceIsEasyToQuote(t *testing.T) {
	t.Parallel()
	_, log := newSink(slog.LevelInfo)
	for range 50 {
		_, _, reference := logging.Line(t.Context(), log, slog.LevelError, "op", "reason")
		if len(reference) != 8 || strings.Trim(reference, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("reference %q", reference)
		}
	}
}

// TestLineIsNotHeldBackTwice: a line with a decided level does not count as a warning with
// its message, and its texts are clipped.
func TestLineIsNotHeldBackTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := newSink(slog.LevelDebug)
		for i := range 3 {
			line, level, _ := logging.Line(t.Context(), log, slog.LevelWarn, "op", fmt.Sprint(i))
			line.LogAttrs(t.Context(), level, "refused", slog.String("text", strings.Repeat("a", 600)))
			expect(t, "size", len(s.lines[i].attrs[0].Value.String()), 515)
		}
		expect(t, "levels", s.levels(), "WARN WARN WARN")
	})
}

// TestLineOfAnyLog: a log that New did not make has no memory. Its texts are clipped.
func TestLineOfAnyLog(t *testing.T) {
	t.Parallel()
	s := &sink{least: slog.LevelInfo}
	references := map[string]bool{}
	for i := range 3 {
		line, level, reference := logging.Line(t.Context(), slog.New(s), slog.LevelWarn, "op", "reason")
		line.LogAttrs(t.Context(), level, strings.Repeat("m", 600))
		references[reference] = true
		expect(t, "size", len(s.lines[i].msg), 515)
	}
	expect(t, "references", len(references), 3)
	expect(t, "levels", s.levels(), "WARN WARN WARN")
	if line, _, _ := logging.Line(t.Context(), slog.New(s), slog.LevelDebug, "op", "reason"); line != nil {
		t.Error("a line that nobody wants")
	}
}

// TestWithoutALogger writes to the logger of the program. It is not parallel.
func TestWithoutALogger(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	s := &sink{}
	slog.SetDefault(slog.New(s))
	logging.New(nil).Info(strings.Repeat("m", 600))
	expect(t, "lines", len(s.lines), 1)
	expect(t, "size", len(s.lines[0].msg), 515)
}

// A failing handler returns its own error.
type failing struct{ slog.Handler }

var errFull = errors.New("disk full")

func (failing) Handle(context.Context, slog.Record) error { return errFull }

// TestHandlerKeepsTimeSourceAndError: only texts and levels change.
func TestHandlerKeepsTimeSourceAndError(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := logging.New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{AddSource: true}))).Handler()
	pc, _, _, _ := runtime.Caller(0)
	if err := h.Handle(t.Context(), slog.NewRecord(time.Unix(1_500_000_000, 0).UTC(), slog.LevelInfo, "m", pc)); err != nil {
		t.Error(err)
	}
	text := out.String()
	if !strings.HasPrefix(text, "time=2017-07-14T02:40:00.000Z level=INFO source=") || !strings.Contains(text, "logging_test.go") {
		t.Errorf("log %q", text)
	}
	h = logging.New(slog.New(failing{slog.NewTextHandler(io.Discard, nil)})).Handler()
	if err := h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)); err != errFull {
		t.Errorf("error %v", err)
	}
}

// TestManyGoroutinesWarn: the race detector watches.
func TestManyGoroutinesWarn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := logging.New(slog.New(slog.NewTextHandler(&out, nil)))
		for i := range 20 {
			go func() {
				log.Warn("m")
				write(t.Context(), log, slog.LevelWarn, "op", fmt.Sprint(i%2))
			}()
		}
		synctest.Wait()
		expect(t, "lines", strings.Count(out.String(), "\n"), 3)
	})
}
