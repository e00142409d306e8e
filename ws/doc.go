// Package ws serves WebSocket connections (RFC 6455) on the event loops of
// package reactor: no goroutine for a connection, and no buffer for an idle one.
//
//	type echo struct{ ws.NopHandler }
//
//	func (echo) OnMessage(c *ws.Conn, op ws.Op, p []byte) { c.Send(op, p) }
//
//	server := &http.Server{Handler: ws.Endpoint(echo{})}
//
// # What is where
//
// Endpoint is an http.Handler. It judges the opening handshake (handshake.go,
// origin.go) and takes the connection over from HTTP. From then on what arrives
// goes through a decoder (header.go, decoder.go, partial.go), which delivers a
// message that is whole where it lies, and gathers one that comes in pieces; a
// Conn (conn.go) hands it to the Handler and sends what that answers. close.go
// has the closing handshake in all its states, keepalive.go finds dead peers,
// backpressure.go stops reading from those who do not read.
//
// A Hub (hub.go) brings messages to all connections in a topic (topic.go, and for
// each loop hub_shard.go), knows who is there (presence.go) and what was said
// (history.go), and shares its topics with hubs of other processes by a Broker
// (broker.go; relay.go is the hub's way to it, peers.go what hubs tell each other).
//
// # Promises
//
//  1. A connection's OnOpen, OnMessage and OnClose run on its loop, one at a
//     time; OnOpen first, OnClose last and exactly once.
//  2. Send and Close may be called from any goroutine. Messages leave in the
//     order of Send, whole, and nothing leaves after a close frame.
//  3. Memory is bounded by what has arrived and by limits: nothing is reserved
//     for a length that was only announced, a message and its fragments are
//     bounded, and a peer that does not read is not read from.
//  4. What breaks the protocol ends the connection at the first byte that makes
//     it certain, with the code that RFC 6455 section 7.4 names, and no other.
//  5. A page of another origin is refused unless WithOrigins names it.
package ws
