package errorpage

import (
	"bufio"
	"net"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A Writer writes the status of the error if ErrorHandler begins the response
// without a status. [http.ResponseController] finds the other methods of the inner
// writer.
type Writer struct {
	http.ResponseWriter
	status int
	begun  bool
}

// NewWriter returns a writer for a refusal with the status.
func NewWriter(w http.ResponseWriter, status int) *Writer {
	return &Writer{ResponseWriter: w, status: status}
}

// Begun reports whether the response has begun.
func (w *Writer) Begun() bool { return w.begun }

// Unwrap is for [http.ResponseController].
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *Writer) begin() {
	if !w.begun {
		w.WriteHeader(w.status)
	}
}

// WriteHeader implements [http.ResponseWriter].
func (w *Writer) WriteHeader(status int) {
	w.begun = w.begun || status >= 200 || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *Writer) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// Flush also begins a response.
func (w *Writer) Flush() { w.FlushError() }

// FlushError is for [http.ResponseController].
func (w *Writer) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack is for [http.ResponseController].
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.begun = w.begun || err == nil
	return conn, rw, err
}

// WriteJSON writes a refusal for a script or a program, as OAuth 2.0 has errors (RFC
// 6749, Section 5.2).
func WriteJSON(w http.ResponseWriter, r *http.Request, row refusal.Row) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(row.Status)
	if r.Method == http.MethodHead {
		return
	}
	body := jsonscan.AppendString(append(make([]byte, 0, 128), `{"error":`...), row.Code)
	body = jsonscan.AppendString(append(body, `,"error_description":`...), row.Description)
	w.Write(append(body, '}'))
}
