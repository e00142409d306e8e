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
	c.offload(work{do: func(*work) { o.h.OnOpen(c) }})
}

func (o offloaded) OnMessage(c *Conn, op Op, p []byte) {
	c.offload(work{payload: c.Retain(p), do: func(w *work) { o.h.OnMessage(c, op, w.payload.Bytes()) }})
}

func (o offloaded) OnClose(c *Conn, code Code, reason string) {
	c.offload(work{end: true, do: func(*work) { o.h.OnClose(c, code, reason) }})
}

type offloadedFragments struct {
	offloaded
	f FragmentHandler
}

func (o offloadedFragments) OnFragment(c *Conn, op Op, p []byte, last bool) {
	c.offload(work{payload: c.Retain(p), do: func(w *work) { o.f.OnFragment(c, op, w.payload.Bytes(), last) }})
}

// work is one call of an offloaded handler.
type work struct {
	payload *Retained // nil: none
	end     bool      // OnClose: it runs whatever happened before
	do      func(*work)
}

func (w *work) weight() int {
	if w.payload == nil {
		return messageWeight
	}
	return w.payload.weight()
}

// worker is the queue of one connection's offloaded calls.
type worker struct {
	intake
	queue   []work // guarded by mu
	running bool   // there is a goroutine; guarded by mu
	failed  bool   // the handler panicked: only OnClose is still to come; of the goroutine
}

// offload queues a call. Loop goroutine only.
func (c *Conn) offload(w work) {
	k := c.rare.Load().worker
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queue = append(k.queue, w)
	k.addLocked(c, w.weight())
	if !k.running {
		k.running = true
		go c.work(k)
		c.shard.loop.HandedOut()
	}
}

// work runs what is queued, and ends when nothing is left.
func (c *Conn) work(k *worker) {
	var batch []work
	for {
		if batch = k.take(batch[:0]); len(batch) == 0 {
			return
		}
		for i := range batch {
			if !k.failed || batch[i].end {
				k.failed = c.perform(&batch[i])
			}
			c.performed(k, &batch[i])
		}
	}
}

// take swaps the queue for an empty one. When nothing is queued the goroutine that
// asked is to end.
func (k *worker) take(empty []work) []work {
	k.mu.Lock()
	defer k.mu.Unlock()
	batch := k.queue
	k.queue = empty
	if len(batch) == 0 {
		k.running, k.queue = false, nil
	}
	return batch
}

func (c *Conn) perform(w *work) (failed bool) {
	defer func() {
		if v := recover(); v != nil {
			failed = true
			c.panickedElsewhere(v)
		}
	}()
	w.do(w)
	return false
}

// performed gives a call's payload back.
func (c *Conn) performed(k *worker, w *work) {
	weight := w.weight()
	if w.payload != nil {
		w.payload.Release()
	}
	*w = work{}
	k.handled(c, weight)
}

// panickedElsewhere is panicked for a goroutine that is not the loop's. A panic
// behind the end of the loop has nothing left to end.
func (c *Conn) panickedElsewhere(v any) {
	stack := debug.Stack()
	if err := c.shard.loop.QueueInLoop(func() { c.panickedAt(v, stack) }); err != nil {
		c.shard.log().Error("ws: handler panicked", "panic", v, "stack", string(stack))
	}
}
