package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
	"github.com/seed-15d5a55c/auth0/redisstore"
)

func Example() {
	client := redis.NewClient(&redis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
	strategy, err := auth0.New(auth0.Config{
		Domain:       "acme.auth0.example",
		ClientID:     "client-id",
		ClientSecret: "client-secret",
		BaseURL:      "https://fieldnotes.example",
		Secrets:      []string{"32 bytes or more, the same everywhere"},
		Store:        redisstore.New(client, "fieldnotes:"),
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", strategy.Handler())
	fmt.Println(strategy.LoadUser(mux) != nil)
	// Output: true
}

func connect(t *testing.T, address string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	return client
}

func newStore(t *testing.T) (*redisstore.Store, *redis.Client) {
	t.Helper()
	address, _ := testproc.Redis(t)
	client := connect(t, address)
	return redisstore.New(client, "test:"), client
}

func TestStore(t *testing.T) {
	t.Parallel()
	store, client := newStore(t)
	t.Run("conformance", func(t *testing.T) { auth0test.TestStore(t, store) })
	if left, err := client.Keys(t.Context(), "*").Result(); err != nil || len(left) != 0 {
		t.Errorf("left in Redis: %q, %v", left, err)
	}
}

// TestWithoutContext: the methods without a context, which auth0 does not use, work
// alike.
func TestWithoutContext(t *testing.T) {
	t.Parallel()
	store, _ := newStore(t)
	auth0test.TestStore(t, struct{ auth0.Store }{store})
}

// TestRing distributes keys over servers that do not know each other.
func TestRing(t *testing.T) {
	t.Parallel()
	first, _ := testproc.Redis(t)
	second, _ := testproc.Redis(t)
	client := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"first": first, "second": second}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	auth0test.TestStore(t, redisstore.New(client, "test:"))
}

// TestCluster: one command cannot have keys of several nodes.
func TestCluster(t *testing.T) {
	t.Parallel()
	addresses := startCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	if err := client.MGet(t.Context(), "a", "b", "c", "d").Err(); err == nil {
		t.Error("MGET works, so this is no cluster")
	}
	auth0test.TestStore(t, redisstore.New(client, "test:"))
}

// startCluster divides the slots among three nodes.
func startCluster(t *testing.T) (addresses []string) {
	t.Helper()
	slots := []int{0, 5461, 10923, 16384}
	for i := range 3 {
		address, _ := testproc.Redis(t, "--cluster-enabled", "yes", "--cluster-port", testproc.FreePort(t))
		addresses = append(addresses, address)
		node := connect(t, address)
		if err := node.ClusterAddSlotsRange(t.Context(), slots[i], slots[i+1]-1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range addresses {
		node := connect(t, address)
		for _, other := range addresses {
			meet(t, node, connect(t, other), other)
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, address := range addresses {
		node := connect(t, address)
		for {
			info, err := node.ClusterInfo(t.Context()).Result()
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the nodes do not find each other: %v\n%s", err, info)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return addresses
}

// meet connects one node to another one, with its cluster port.
func meet(t *testing.T, node, other *redis.Client, address string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	bus, err := other.ConfigGet(t.Context(), "cluster-port").Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Do(t.Context(), "cluster", "meet", host, port, bus["cluster-port"]).Err(); err != nil {
		t.Fatal(err)
	}
}

// TestPrefix: two programs with one Redis do not see each other's values.
func TestPrefix(t *testing.T) {
	t.Parallel()
	store, client := newStore(t)
	other := redisstore.New(client, "other:")
	if err := store.Commit("key", []byte("value"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, found, err := other.Find("key"); found || err != nil {
		t.Errorf("found with another prefix: %v, %v", found, err)
	}
	if value, err := client.Get(t.Context(), "test:key").Result(); value != "value" || err != nil {
		t.Errorf("the key test:key has %q, %v", value, err)
	}
}

// TestEverythingExpires: every value in Redis has an expiry.
func TestEverythingExpires(t *testing.T) {
	t.Parallel()
	store, client := newStore(t)
	later := time.Now().Add(time.Hour)
	store.Commit("committed", []byte("value"), later)
	store.Commit("updated", []byte("value"), time.Now().Add(time.Minute))
	store.UpdateCtx(t.Context(), "updated", []byte("value"), later)
	store.LeaseCtx(t.Context(), "leased", time.Hour)
	store.RaiseCtx(t.Context(), "raised", 1, later)
	store.RaiseCtx(t.Context(), "raised earlier", 1, time.Now().Add(time.Minute))
	store.RaiseCtx(t.Context(), "raised earlier", 1, later)
	store.RaiseCtx(t.Context(), "raised later", 1, later)
	store.RaiseCtx(t.Context(), "raised later", 2, time.Now().Add(-time.Minute))
	store.AddCtx(t.Context(), "added", later)
	store.AddCtx(t.Context(), "added", time.Now().Add(time.Minute))
	for _, key := range []string{"committed", "updated", "leased", "raised", "raised earlier", "raised later", "added"} {
		left, err := client.PTTL(t.Context(), "test:"+key).Result()
		if err != nil || left < 59*time.Minute || left > time.Hour {
			t.Errorf("%s expires in %v, %v", key, left, err)
		}
	}
	store.Commit("committed", []byte("value"), time.Now().Add(-time.Minute))
	if _, found, err := store.Find("committed"); found || err != nil {
		t.Errorf("found after it has expired: %v, %v", found, err)
	}
}

// TestRaise: numbers and expiries only grow, over any stored value.
func TestRaise(t *testing.T) {
	t.Parallel()
	store, client := newStore(t)
	later := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		there string // empty: nothing
		raise int64
		want  string
	}{
		{"", 0, "0"},
		{"", 1_790_000_000, "1790000000"},
		{"9", 10, "10"},
		{"10", 9, "10"},
		{"10", 10, "10"},
		{"0", 1 << 53, "9007199254740992"},
		{"9007199254740991", 1 << 53, "9007199254740992"},
		{"9007199254740992", 1<<53 - 1, "9007199254740992"},
		{"x", 5, "x"}, // of an unknown version
		{"x", 0, "x"},
	} {
		for _, expires := range []bool{true, false} {
			key := "test:key"
			client.Del(t.Context(), key)
			if tt.there != "" {
				client.Set(t.Context(), key, tt.there, map[bool]time.Duration{true: time.Minute}[expires])
			}
			if err := store.RaiseCtx(t.Context(), "key", tt.raise, later); err != nil {
				t.Fatal(err)
			}
			left := client.PTTL(t.Context(), key).Val()
			if got := client.Get(t.Context(), key).Val(); got != tt.want {
				t.Errorf("%q raised to %d is %q, want %q", tt.there, tt.raise, got, tt.want)
			}
			if forEver := tt.there != "" && !expires; forEver != (left == -1) || !forEver && left < 59*time.Minute {
				t.Errorf("%q raised to %d expires in %v", tt.there, tt.raise, left)
			}
		}
	}
	client.Del(t.Context(), "test:key")
	if err := store.RaiseCtx(t.Context(), "key", 1, time.Now().Add(-time.Second)); err != nil {
		t.Errorf("what has expired: %v", err)
	}
	if left := client.Exists(t.Context(), "test:key").Val(); left != 0 {
		t.Error("what has expired is there")
	}
}

// TestLeaseRepeated: a client repeats a command without a response. The same holder then
// has the lease, and another does not.
func TestLeaseRepeated(t *testing.T) {
	t.Parallel()
	address, _ := testproc.Redis(t)
	client := connect(t, address)
	client.AddHook(repeat{})
	store := redisstore.New(client, "test:")
	_, ok, err := store.LeaseCtx(t.Context(), "key", time.Minute)
	if !ok || err != nil {
		t.Errorf("the lease that was asked for twice: %v, %v", ok, err)
	}
	if _, ok, err := store.LeaseCtx(t.Context(), "key", time.Minute); ok || err != nil {
		t.Errorf("the lease of another: %v, %v", ok, err)
	}
}

// TestAddRepeated: a caller whose command was sent twice has added the key, and the next
// caller has not.
func TestAddRepeated(t *testing.T) {
	t.Parallel()
	address, _ := testproc.Redis(t)
	client := connect(t, address)
	client.AddHook(repeat{})
	store := redisstore.New(client, "test:")
	later := time.Now().Add(time.Minute)
	for i, want := range []bool{true, false} {
		if added, err := store.AddCtx(t.Context(), "key", later); added != want || err != nil {
			t.Errorf("call %d: %v, %v", i+1, added, err)
		}
	}
}

// TestAddExpired: the store does not keep a key whose expiry has passed.
func TestAddExpired(t *testing.T) {
	t.Parallel()
	store, client := newStore(t)
	if added, err := store.AddCtx(t.Context(), "key", time.Now().Add(-time.Hour)); !added || err != nil {
		t.Errorf("%v, %v", added, err)
	}
	if left := client.PTTL(t.Context(), "test:key").Val(); left > time.Millisecond {
		t.Errorf("kept for %v", left)
	}
}

// TestAddIsOneRequest: an API waits for this call in every request.
func TestAddIsOneRequest(t *testing.T) {
	t.Parallel()
	store, client := newStore(t)
	store.AddCtx(t.Context(), "first", time.Now().Add(time.Minute)) // loads the script
	var count counter
	client.AddHook(&count)
	store.AddCtx(t.Context(), "second", time.Now().Add(time.Minute))
	if n := count.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A counter counts commands.
type counter struct{ atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.Add(1)
		return next(ctx, cmd)
	}
}
func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// repeat sends each command twice.
type repeat struct{}

func (repeat) DialHook(next redis.DialHook) redis.DialHook { return next }
func (repeat) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		next(ctx, cmd)
		return next(ctx, cmd)
	}
}
func (repeat) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestScriptsForgotten: Redis loses its scripts when it restarts.
func TestScriptsForgotten(t *testing.T) {
	t.Parallel()
	store, client := newStore(t)
	for range 2 {
		release, ok, err := store.LeaseCtx(t.Context(), "key", time.Minute)
		if !ok || err != nil {
			t.Fatalf("lease: %v, %v", ok, err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		release()
	}
}

// TestDown: every method returns an error, and no error shows a value.
func TestDown(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + testproc.FreePort(t), ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	allFail(t, redisstore.New(client, "test:"))
}

// TestHangs: a context ends a call while Redis does not answer.
func TestHangs(t *testing.T) {
	t.Parallel()
	address, process := testproc.Redis(t)
	store := redisstore.New(connect(t, address), "test:")
	if _, _, err := store.Find("key"); err != nil {
		t.Fatal(err)
	}
	process.Signal(t, syscall.SIGSTOP)
	defer process.Signal(t, syscall.SIGCONT)
	allFail(t, store)
}

func allFail(t *testing.T, store *redisstore.Store) {
	t.Helper()
	value, later := []byte("SECRET"), time.Now().Add(time.Hour)
	calls := map[string]func(context.Context) error{
		"FindCtx":    func(ctx context.Context) error { _, _, err := store.FindCtx(ctx, "key"); return err },
		"CommitCtx":  func(ctx context.Context) error { return store.CommitCtx(ctx, "key", value, later) },
		"DeleteCtx":  func(ctx context.Context) error { return store.DeleteCtx(ctx, "key") },
		"UpdateCtx":  func(ctx context.Context) error { _, err := store.UpdateCtx(ctx, "key", value, later); return err },
		"LeaseCtx":   func(ctx context.Context) error { _, _, err := store.LeaseCtx(ctx, "key", time.Minute); return err },
		"FindAllCtx": func(ctx context.Context) error { _, err := store.FindAllCtx(ctx, "a", "b"); return err },
		"RaiseCtx":   func(ctx context.Context) error { return store.RaiseCtx(ctx, "key", 1, later) },
		"AddCtx": func(ctx context.Context) error {
			added, err := store.AddCtx(ctx, "key", later)
			if added {
				return nil
			}
			return err
		},
	}
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := call(ctx)
			if err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s took %v", name, took)
			}
		})
	}
	all.Wait()
}
