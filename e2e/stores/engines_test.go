package stores

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
	"github.com/seed-15d5a55c/auth0/redisstore"
)

// An engine is a database with a store in it.
type engine struct {
	store auth0.Store
	// dump returns the content of the database, without expired values.
	dump  func(t *testing.T) map[string]string
	clear func(t *testing.T)
	// hang makes the database accept requests without answering them, until resume is
	// called.
	hang func(t *testing.T) (resume func())
}

func newRedisstore(t *testing.T) *engine {
	e, client := newRedis(t, true)
	e.store = redisstore.New(client, "")
	return e
}

// newGoredisstore has a client as in the documentation, which ignores contexts.
func newGoredisstore(t *testing.T) *engine {
	e, client := newRedis(t, false)
	e.store = goredisstore.NewWithPrefix(client, "")
	return e
}

func newRedis(t *testing.T, heedContexts bool) (*engine, *redis.Client) {
	t.Helper()
	address, process := testproc.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: heedContexts})
	t.Cleanup(func() { client.Close() })
	e := &engine{
		dump: func(t *testing.T) map[string]string {
			values := map[string]string{}
			for _, key := range client.Keys(t.Context(), "*").Val() {
				values[key] = client.Get(t.Context(), key).Val()
			}
			return values
		},
		clear: func(t *testing.T) {
			if err := client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		},
		hang: func(t *testing.T) func() {
			process.Signal(t, syscall.SIGSTOP)
			return func() { process.Signal(t, syscall.SIGCONT) }
		},
	}
	return e, client
}

func newPgxstore(t *testing.T) *engine {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), startPostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	// The table as pgxstore requires it.
	for _, statement := range []string{
		"CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)",
		"CREATE INDEX sessions_expiry_idx ON sessions (expiry)",
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	store := pgxstore.NewWithCleanupInterval(pool, 0)
	return &engine{
		store: store,
		dump: func(t *testing.T) map[string]string {
			all, err := store.All()
			if err != nil {
				t.Fatal(err)
			}
			values := map[string]string{}
			for key, value := range all {
				values[key] = string(value)
			}
			return values
		},
		clear: func(t *testing.T) {
			if _, err := pool.Exec(t.Context(), "DELETE FROM sessions"); err != nil {
				t.Fatal(err)
			}
		},
		hang: func(t *testing.T) func() { return lockTable(t, pool) },
	}
}

func lockTable(t *testing.T, pool *pgxpool.Pool) (unlock func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// startPostgres makes and runs a database cluster, and returns its URL.
func startPostgres(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	unprivileged := asPostgres(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(findPostgres(t, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--wal-segsize", "1")
	initdb.Dir, initdb.SysProcAttr = dir, unprivileged
	if output, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
	port := testproc.FreePort(t)
	server := exec.Command(findPostgres(t, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", port, "-k", dir, "-F", "-c", "max_connections=50")
	server.Dir, server.SysProcAttr = dir, unprivileged
	url := fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", port)
	testproc.Start(t, server, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		pool, err := pgxpool.New(ctx, url)
		if err != nil {
			return err
		}
		defer pool.Close()
		return pool.Ping(ctx)
	})
	return url
}

// findPostgres also looks in Debian's directory, by version.
func findPostgres(t *testing.T, program string) string {
	t.Helper()
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	slices.Reverse(versions)
	return testproc.Find(t, program, "postgresql", versions...)
}

// asPostgres gives a directory to the user postgres, and returns attributes that run a
// program as that user, because PostgreSQL does not run as root.
func asPostgres(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL does not run as root, and there is no user postgres, which the Debian package postgresql makes: %v", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
