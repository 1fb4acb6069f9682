package testproc

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports from which FreePort chooses. The kernel of Linux gives none of them to an
// outgoing connection, whose port would be in use for a server.
const (
	firstPort = 20000
	ports     = 12000
)

// reserved has sockets that are open until the process ends: their ports belong to it.
var reserved struct {
	sync.Mutex
	sockets []net.PacketConn
}

// FreePort returns a port of this machine that nobody listens on. No other call of
// FreePort returns it, in this test process or in another one that runs at the same
// time: FreePort keeps the UDP socket with this number, as a reservation.
func FreePort(t testing.TB) string {
	t.Helper()
	start := rand.IntN(ports)
	for i := range ports {
		port := strconv.Itoa(firstPort + (start+i)%ports)
		if isFree(port) {
			return port
		}
	}
	t.Fatal("there is no free port")
	return ""
}

func isFree(port string) bool {
	reservation, err := net.ListenPacket("udp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	reserved.Lock()
	reserved.sockets = append(reserved.sockets, reservation) // also if a server listens: nobody need look again
	reserved.Unlock()
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	return l.Close() == nil
}
