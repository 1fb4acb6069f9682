package auth0

import (
	"net/http"
)

// TrySilentLogin logs people in who are logged in at the tenant already, for
// another application say, when they come to a page. The browser makes the way
// to the tenant and back without a question (prompt=none, OpenID Connect Core
// 1.0, Section 3.1.2.1); who is not logged in there sees the page as before. It
// is tried once in five minutes, and not after a logout.
//
// Put it inside [Strategy.LoadUser], around the pages that anybody may see.
func (s *Strategy) TrySilentLogin(next http.Handler) http.Handler {
	if s.ready() == nil {
		s.silent.Store(true)
	}
	return s.LoadUser(s.handler("login", func(w http.ResponseWriter, r *http.Request) error {
		if s.signin.MaySilently(r) {
			if answered, err := s.signin.Silently(w, r); answered {
				return err
			}
		}
		next.ServeHTTP(w, r)
		return nil
	}))
}
