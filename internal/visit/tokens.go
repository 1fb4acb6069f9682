package visit

import (
	"cmp"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// AccessToken returns a token of the session of a request. The response gets the changed
// session. The key is the one to which the token is bound, the zero Key for a bearer
// token.
func (vs *Visits) AccessToken(w http.ResponseWriter, r *http.Request, wish renew.Wish) (session.Token, prover.Key, error) {
	record, l, err := vs.Current(r)
	if err != nil {
		return session.Token{}, prover.Key{}, err
	}
	token, newest, err := vs.Tokens.Get(r.Context(), record, wish)
	newest = cmp.Or(newest, record)
	if failed := vs.Sessions.SendTokens(w, l, record, newest); failed != nil {
		return session.Token{}, prover.Key{}, failed
	}
	return token, vs.Tokens.KeyOf(newest, token), err
}

// NoteLogin notes in the session of a request that only another login can bring its
// tokens, so that the login route starts one. The error is not nil if the response cannot
// carry the note. Without a session there is nothing to note.
func (vs *Visits) NoteLogin(w http.ResponseWriter, r *http.Request) error {
	record, l, err := vs.Current(vs.Prepare(r))
	if err != nil {
		return nil
	}
	return vs.Sessions.SendTokens(w, l, record, vs.Tokens.NoteLogin(r.Context(), record))
}

// Forget removes the tokens of a connection from the session of a request.
func (vs *Visits) Forget(w http.ResponseWriter, r *http.Request, connection string) error {
	record, l, err := vs.Current(r)
	if err != nil {
		return err
	}
	newest, err := vs.Tokens.Forget(r.Context(), record, connection)
	if err != nil {
		return err
	}
	return vs.Sessions.SendTokens(w, l, record, newest)
}
