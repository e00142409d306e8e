package ws

import "runtime/debug"

// Offload lets the methods of h block: for each connection they run in their
// order on a goroutine, which there is only while they have something to do. A
// payload is valid until the method returns, as on the loop. A connection whose
// handler is behind by 256 KiB is not read until it has caught up. Messages that came
// before the connection ended, and wait, are still handed to h before its OnClose; after
// a panic they are dropped. A server that shuts down does not wait for h.
//
// When h is a FragmentHandler, so is what Offload returns. A StreamHandler has its
// goroutine already, and is returned as it is.
func Offload(h Handler) Handler {
	if h == nil {
		panic("ws: Offload without a Handler")
	}
	switch h := h.(type) {
	case *streamHandler:
		return h
	case FragmentHandler:
		return offloadedFragments{offloaded{h}, h}
	default:
		return offloaded{h}
	}
}

type offloaded struct{ h Handler }

func (o offloaded) OnOpen(c *Conn) {
	c.mu.Lock()
	m, k := c.needRare(), &worker{}
	m.worker, m.intake = k, &k.intake
	c.mu.Unlock()
	c.offload(nil, false, func([]byte) { o.h.OnOpen(c) })
}

func (o offloaded) OnMessage(c *Conn, op Op, p []byte) {
	c.offload(c.Retain(p), false, func(p []byte) { o.h.OnMessage(c, op, p) })
}

func (o offloaded) OnClose(c *Conn, code Code, reason string) {
	c.offload(nil, true, func([]byte) { o.h.OnClose(c, code, reason) })
}

type offloadedFragments struct {
	offloaded
	f FragmentHandler
}

func (o offloadedFragments) OnFragment(c *Conn, op Op, p []byte, last bool) {
	c.offload(c.Retain(p), false, func(p []byte) { o.f.OnFragment(c, op, p, last) })
}

// worker has one connection's offloaded calls.
type worker struct {
	intake
	calls  jobQueue
	failed bool // the handler panicked: only OnClose is still to come; of the goroutine
}

// offload queues a call, with a payload or without; the end, OnClose, runs whatever
// happened before. Loop goroutine only.
func (c *Conn) offload(payload *Retained, end bool, call func(payload []byte)) {
	k, weight := c.rare.Load().worker, messageWeight
	if payload != nil {
		weight = payload.weight()
	}
	k.add(c, weight)
	k.calls.do(0, func() {
		if !k.failed || end {
			k.failed = c.perform(payload, call)
		}
		payload.Release()
		k.handled(c, weight)
	})
	c.shard.loop.HandedOut()
}

func (c *Conn) perform(payload *Retained, call func([]byte)) (failed bool) {
	defer func() {
		if v := recover(); v != nil {
			failed = true
			c.panickedElsewhere(v)
		}
	}()
	call(payload.Bytes())
	return false
}

// panickedElsewhere is panicked for a goroutine that is not the loop's. A panic
// behind the end of the loop has nothing left to end.
func (c *Conn) panickedElsewhere(v any) {
	stack := debug.Stack()
	if err := c.shard.loop.QueueInLoop(func() { c.panickedAt(v, stack) }); err != nil {
		c.shard.log().Error("ws: handler panicked", "panic", v, "stack", string(stack))
	}
}
