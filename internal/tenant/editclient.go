package tenant

import "fmt"

// EditClient changes an application. The edit gets a copy, which then replaces
// the application as [Tenant.AddClient] does.
func (t *Tenant) EditClient(id string, edit func(*Client)) error {
	t.mu.Lock()
	old := t.data.clients[id]
	t.mu.Unlock()
	if old == nil {
		return fmt.Errorf("tenant: there is no client %q", id)
	}
	c := *old
	edit(&c)
	return t.AddClient(c)
}
