// Package reactor is the event loop, and TCP on it, that everything else in
// Carillon stands on. It follows the design of muduo and keeps its names; it
// knows no protocol.
//
// # The picture
//
//	        TcpServer ── Acceptor ──┐            TcpClient ── Connector ──┐
//	            │                   │                │                    │
//	     EventLoopThreadPool        │                │                    │
//	            │                   ▼                ▼                    ▼
//	      EventLoop (one a goroutine) ◄── Channel (one fd, its interest, its handler)
//	       │      │       │                  ▲
//	    Poller  TimerQueue  eventfd          └── TcpConnection (Socket, input and output Buffer)
//	(epoll, poll) (timerfd)  (wake-up)
//
// An EventLoop polls, handles the channels that are ready, runs the timers that
// are due and then the functors that other goroutines queued. What belongs to a
// loop is touched only on the loop's goroutine ("in the loop's thread", in the
// words of the design); methods whose name ends in InLoop, and those whose
// comment says so, must be called there. Everything else says that any goroutine
// may call it.
//
// # Promises
//
//  1. A connection's callbacks run on its loop, one at a time: Connection (up)
//     first and once, Connection (down) last and exactly once, none under a lock.
//  2. Destruction is always queued, so no stale event of the same batch reaches a
//     dead object; the fd is closed last. Pollers store a slot and a generation.
//  3. There is one write path: bytes leave in the order of Send, a short write
//     loses nothing, and what one iteration of the loop wrote to a connection
//     leaves in as few system calls as possible.
//  4. Output is bounded by a high-water mark (reading pauses, the producer is
//     told) and a hard cap (the connection closes with ErrOutputFull).
//  5. The peer's half-close is an event, not a close.
//  6. Tasks queued before Quit run; later ones are refused with ErrLoopClosed.
//  7. An idle connection holds no buffer and no goroutine.
//  8. A callback that holds its loop too long is reported by name, while it runs.
//
// # An echo server
//
//	thread := reactor.NewEventLoopThread()
//	loop, err := thread.StartLoop()
//	...
//	server, err := reactor.NewTcpServer(loop, addr, &reactor.Callbacks{
//		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
//			c.Send(in.Peek())
//			in.RetrieveAll()
//		},
//	})
//	...
//	err = server.Start()
//
// Linux only: epoll(7), timerfd_create(2), eventfd(2), accept4(2), sendfile(2).
package reactor
