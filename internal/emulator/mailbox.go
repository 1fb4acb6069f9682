package emulator

import "time"

// A mailbox holds the last message to each address.
type mailbox struct {
	*site

	sent *bounded[sentCode] // by connection and address
}

// A sentCode is a message to an address, by email or text message.
type sentCode struct {
	code, link string
	at         time.Time
	tries      int
}

func (mb *mailbox) send(connection, address string, sent sentCode) {
	sent.at = mb.now()
	mb.mu.Lock()
	defer mb.mu.Unlock()
	mb.sent.put(connection+"\x00"+address, sent)
	mb.sent.put("\x00"+address, sent) // for Mail
}

// Mail returns the code and the link of the last message to an address, by
// email or text message. They are empty without a message.
func (mb *mailbox) Mail(address string) (code, link string) {
	mb.mu.Lock()
	defer mb.mu.Unlock()
	sent, _ := mb.sent.get("\x00" + address)
	return sent.code, sent.link
}
