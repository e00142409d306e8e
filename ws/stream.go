package ws

import (
	"context"
	"errors"
	"io"

	"github.com/carillon-go/carillon/reactor"
)

// Stream is a Conn for those who prefer to block: a goroutine reads its messages and
// writes its own, and each wait is bounded by a context. It is made by StreamHandler
// or by DialStream.
//
// Read and Reader are for one goroutine at a time; the rest is for any. None may be
// called on a loop: they return reactor.ErrOnLoop there. A context that ends breaks
// off the wait and nothing else: the connection goes on. What has come already is
// read also with a context that has ended.
//
// The end of the connection is always a *CloseError, after all messages that came
// before it, and Context is done then. io.EOF is only ever the end of one message
// from a Reader, so that a message that was cut off never looks whole.
//
// A goroutine that is behind by 256 KiB has the connection not read until it has
// caught up, so that one that never reads does not grow memory.
type Stream struct {
	intake
	queue []piece     // guarded by mu
	ended *CloseError // guarded by mu; nil: open
	ready chan struct{}
	conn  *Conn
	ctx   context.Context
	end   context.CancelCauseFunc

	// Of the goroutine that reads.
	message []byte         // what a Read that was broken off has gathered
	begun   bool           // it has gathered something, be it nothing
	op      Op             // of message
	reader  *messageReader // the message that is not read to its end
}

// piece is a piece of a message that waits to be read.
type piece struct {
	payload *Retained
	op      Op
	last    bool
}

func newStream(c *Conn) *Stream {
	s := &Stream{conn: c, ready: make(chan struct{}, 1)}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	return s
}

// Conn is the connection, for what is not about waiting: RemoteAddr, Value,
// Subprotocol, SendPrepared. Any goroutine.
func (s *Stream) Conn() *Conn { return s.conn }

// Context is done when the connection has ended; its cause is then the *CloseError.
// Any goroutine.
func (s *Stream) Context() context.Context { return s.ctx }

// Read waits for the next message and returns all of it, at most WithMaxMessage; the
// payload is the caller's. When ctx ends in the middle of a message, the next Read
// goes on with it. The errors are *CloseError, that of ctx, and reactor.ErrOnLoop.
func (s *Stream) Read(ctx context.Context) (Op, []byte, error) {
	if err := s.skip(ctx); err != nil {
		return 0, nil, err
	}
	for {
		p, err := s.next(ctx)
		if err != nil {
			return 0, nil, err
		}
		if s.message == nil {
			s.message = make([]byte, 0, len(p.payload.Bytes())) // just right for the most
		}
		s.message = append(s.message, p.payload.Bytes()...)
		s.begun, s.op = !p.last, p.op
		s.release(p)
		if p.last {
			whole := s.message
			s.message = nil
			return p.op, whole, nil
		}
	}
}

// Reader waits for the next message and returns it as a stream, which ends by
// io.EOF, for messages that need not fit into memory. What is left of the message
// before it is dropped, and so ctx bounds this wait and all reads. The errors, also
// of the reads, are those of Read.
func (s *Stream) Reader(ctx context.Context) (Op, io.Reader, error) {
	if err := s.skip(ctx); err != nil {
		return 0, nil, err
	}
	r := &messageReader{s: s, ctx: ctx, op: s.op, rest: s.message}
	if !s.begun {
		if err := r.fetch(); err != nil {
			return 0, nil, err
		}
	}
	s.message, s.begun, s.reader = nil, false, r
	return r.op, r, nil
}

// skip drops what is left of a Reader's message.
func (s *Stream) skip(ctx context.Context) error {
	for s.reader != nil {
		s.reader.ctx = ctx
		s.reader.drop()
		if s.reader.last {
			s.reader = nil
			break
		}
		if err := s.reader.fetch(); err != nil {
			return err
		}
	}
	return nil
}

// next waits for the next piece. Give it to release when it is done with.
func (s *Stream) next(ctx context.Context) (piece, error) {
	if s.conn.Loop().IsInLoopThread() {
		return piece{}, reactor.ErrOnLoop
	}
	for {
		p, err := s.take()
		if err != nil || p.payload != nil {
			return p, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return piece{}, context.Cause(ctx)
		}
	}
}

// take returns the next piece, or one without payload when there is none yet.
func (s *Stream) take() (piece, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		p := s.queue[0]
		s.queue[0] = piece{}
		s.queue = s.queue[1:]
		return p, nil
	}
	s.queue = nil
	if s.ended != nil {
		return piece{}, s.ended
	}
	return piece{}, nil
}

func (s *Stream) release(p piece) {
	weight := p.payload.weight()
	p.payload.Release()
	s.handled(s.conn, weight)
}

// wake has the goroutine that reads look again.
func (s *Stream) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// received queues a piece. Loop goroutine only.
func (s *Stream) received(op Op, p []byte, last bool) {
	pc := piece{s.conn.Retain(p), op, last}
	s.mu.Lock()
	s.queue = append(s.queue, pc)
	s.addLocked(s.conn, pc.payload.weight())
	s.mu.Unlock()
	s.wake()
	s.conn.Loop().HandedOut()
}

// closed tells those who wait of the connection's end. Loop goroutine only.
func (s *Stream) closed(code Code, reason string) {
	end := &CloseError{code, reason}
	s.mu.Lock()
	s.ended = end
	s.mu.Unlock()
	s.wake()
	s.end(end)
}

// Write sends p as one message. It waits first while more than 256 KiB, or the limit
// of WithSendLimit when that is less, wait for the peer; without an error the message
// is on its way, which does not say that it arrives. While a Writer is open its
// message goes first, and the room that Write waits for may come only by its Close.
//
// The errors are that of ctx and those of Conn.Send: ErrClosed when the connection
// closes or is gone.
func (s *Stream) Write(ctx context.Context, op Op, p []byte) error {
	if !beginsMessage(op) {
		return ErrBadOp
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.conn.awaitRoom(ctx, true); err != nil {
		return err
	}
	return s.conn.Send(op, p)
}

// Writer begins a message that is sent as it is written: see Conn.NewWriter.
func (s *Stream) Writer(ctx context.Context, op Op) (*Writer, error) {
	return s.conn.NewWriter(ctx, op)
}

// Close begins the closing handshake, as Conn.Close does, and waits for its end,
// WithCloseTimeout at most. Messages that came before may still be read. The errors
// are those of Conn.Close, reactor.ErrOnLoop, and a *CloseError when the peer did not
// answer by a close frame.
func (s *Stream) Close(code Code, reason string) error {
	if s.conn.Loop().IsInLoopThread() {
		return reactor.ErrOnLoop
	}
	if err := s.conn.Close(code, reason); err != nil {
		return err
	}
	<-s.ctx.Done()
	if end := context.Cause(s.ctx); errors.Is(end, &CloseError{Code: CodeAbnormal}) {
		return end
	}
	return nil
}

// messageReader is one message as a stream.
type messageReader struct {
	s    *Stream
	ctx  context.Context
	op   Op
	rest []byte // what is to be read of piece, or of what a Read had gathered
	at   piece  // without payload: none
	last bool   // at is the last piece, or was
	done bool   // the end was read
}

var errPassed = errors.New("ws: a later message is being read")

func (r *messageReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 {
		r.drop()
		switch {
		case r.done:
			return 0, io.EOF
		case r.s.reader != r:
			return 0, errPassed
		case r.last:
			r.done, r.s.reader = true, nil
			return 0, io.EOF
		}
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) == 0 {
		r.drop()
	}
	return n, nil
}

// fetch waits for the next piece.
func (r *messageReader) fetch() error {
	p, err := r.s.next(r.ctx)
	if err != nil {
		return err
	}
	r.at, r.op, r.last, r.rest = p, p.op, p.last, p.payload.Bytes()
	return nil
}

// drop gives up the piece at hand.
func (r *messageReader) drop() {
	r.rest = nil
	if r.at.payload != nil {
		r.s.release(r.at)
		r.at = piece{}
	}
}
