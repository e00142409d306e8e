// Package ws serves WebSocket connections (RFC 6455), and makes them as a client, on
// the event loops of package reactor: no goroutine for a connection, and no buffer for
// an idle one.
//
//	type echo struct{ ws.NopHandler }
//
//	func (echo) OnMessage(c *ws.Conn, op ws.Op, p []byte) { c.Send(op, p) }
//
//	server := &http.Server{Handler: ws.Endpoint(echo{})}
//
// # What is where
//
// Endpoint is an http.Handler (endpoint.go). It judges the opening handshake
// (handshake.go, origin.go) and takes the connection over from HTTP. What all
// connections of an Endpoint have in common is a side (side.go, options.go), of which
// each loop has its shard; a client's is another, whose frames are masked.
//
// In: what arrives goes through a decoder (header.go, mask.go, utf8.go, decoder.go,
// partial.go), which delivers a message that is whole where it lies, and gathers one
// that comes in pieces, or delivers those to a FragmentHandler (handler.go). A Conn
// (conn.go) hands it to the Handler, which may take it to a goroutine (offload.go) or
// keep it (retain.go). backpressure.go stops reading where the output, or the handler,
// is behind.
//
// Compression: deflate.go negotiates permessage-deflate, by the elements that
// extension.go parses; conn_deflate.go puts it between a Conn and its frames, by a
// compressor (compressor.go) and a decompressor (decompressor.go, inflater.go), each
// with its window (window.go).
//
// Out: send.go sends what is at hand, also what was encoded once for many
// (prepared.go); writer.go sends one long message in fragments; slow.go says what
// becomes of messages for a peer that does not take them.
//
// The end: close.go has the closing handshake in all its states (code.go,
// closebody.go), violation.go what a peer can do wrong, keepalive.go finds dead peers
// by the one timer of wheel.go. stats.go counts it all.
//
// Dial makes a Client (client.go), whose connections are Conns as well. A goroutine
// that lives until there is a connection (reconnect.go) takes an attempt
// (dial_attempt.go) from connect(2), by a proxy where there is one (dial_proxy.go), and
// TLS for wss: (dial_target.go), to the server's answer (client_handshake.go,
// dial_answer.go). Clients share the loop of
// client_loop.go.
//
// StreamHandler and DialStream are for goroutines that block: a Stream (stream.go)
// reads and writes messages under a context.
//
// A Hub (hub.go) brings messages (hub_publish.go) to all connections (hub_member.go) in
// a topic (topic.go, found by registry.go, kept for a while by idle_topics.go), on each
// loop by its shard (hub_shard.go). It knows who is there (presence.go) and what was
// said (history.go, position.go), and shares its topics with hubs of other processes by
// a Broker (broker.go, memory_broker.go). relay.go is the hub's way to that, on the
// goroutines of job_queue.go; presence_peers.go is what hubs tell each other.
//
// The folder examples has programs to start from: an echo and a client for it, a live
// ticker by topic, an upgrade for those who are signed in, and a cluster.
//
// # Promises
//
//  1. A connection's OnOpen, OnMessage, OnFragment and OnClose run on its loop, one at
//     a time; OnOpen first, OnClose last and exactly once. With Offload they do so on a
//     goroutine, which there is only while there is something to do.
//  2. Send and Close may be called from any goroutine. Messages leave in the
//     order of Send, whole, and nothing leaves after a close frame. What a slow peer
//     makes us drop, by the policy that was chosen, is counted.
//  3. Memory is bounded by what has arrived and by limits: nothing is reserved
//     for a length that was only announced, a message and its fragments are
//     bounded, and a peer that does not read is not read from. What is sent to it
//     is held up to a limit.
//  4. What breaks the protocol ends the connection at the first byte that makes
//     it certain, with the code that RFC 6455 section 7.4 names, and no other.
//  5. A connection ends: the closing handshake has a deadline in each of its states,
//     and a peer that is not there any more is found within the set times, unless
//     the handler is so far behind that it is not read.
//  6. A page of another origin is refused unless WithOrigins names it.
package ws
