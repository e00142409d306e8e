package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// child is a process of the cluster: a server with a hub, whose clients send commands. It says where it
// listens, and "missed" when it was away from the broker, on its standard output. It ends with its
// standard input.
func child(url string, keep bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	opts := []Option{WithNATS(nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.CustomReconnectDelay(func(int) time.Duration { return 50 * time.Millisecond }))}
	if keep {
		opts = append(opts, WithJetStream(jetstream.StreamConfig{Storage: jetstream.FileStorage, MaxMsgsPerSubject: 10_000}))
	}
	b, err := Connect(ctx, url, opts...)
	if err != nil {
		return err
	}
	s := &commands{}
	s.hub = ws.NewHub(ws.WithBroker(b), ws.WithHistory(ws.HistoryLimit{Messages: 5000, Bytes: 16 << 20}), ws.WithPresence(s.presence),
		ws.WithEnvelope(envelope), ws.WithBrokerErrors(func(err error) {
			if errors.Is(err, ws.ErrMissed) {
				fmt.Println("missed")
			} else {
				fmt.Fprintln(os.Stderr, "broker:", err)
			}
		}))
	server := &http.Server{Handler: ws.Endpoint(s), Loops: 2}
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	fmt.Println(addr)
	_, err = io.Copy(io.Discard, os.Stdin)
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = errors.Join(err, s.hub.Close(ctx), server.Shutdown(ctx))
	b.Close()
	return err
}

// envelope is "message", topic, position and payload, separated by NUL.
func envelope(dst []byte, m ws.Message) []byte {
	return fmt.Appendf(dst, "message\x00%s\x00%s\x00%s", m.Topic, m.Position, m.Payload)
}

// commands does what clients say, and answers when it is done.
type commands struct {
	ws.NopHandler
	hub *ws.Hub
}

func (s *commands) OnMessage(c *ws.Conn, _ ws.Op, p []byte) {
	words := strings.Split(string(p), "\x00")
	go func() { // Flush waits
		err := s.do(c, words[0], words[1:])
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if words[0] != "publish" { // that is not to wait for the broker
			err = errors.Join(err, s.hub.Flush(ctx))
		}
		c.Send(ws.OpText, fmt.Appendf(nil, "done\x00%s\x00%v", words[0], err))
	}()
}

func (s *commands) do(c *ws.Conn, command string, args []string) error {
	switch command {
	case "join":
		return s.hub.Join(c, args[0], ws.As(args[1]))
	case "resume":
		pos, err := ws.ParsePosition(args[1])
		if err != nil {
			return err
		}
		return s.hub.Join(c, args[0], ws.Since(pos, func(c *ws.Conn, up ws.CatchUp) {
			c.Send(ws.OpText, fmt.Appendf(nil, "resumed\x00%s\x00%v\x00%d", up.Topic, up.Complete, up.Missed))
		}))
	case "leave":
		return s.hub.Leave(c, args[0])
	case "publish":
		return s.hub.Publish(args[0], ws.OpText, []byte(args[1]))
	case "others":
		return s.hub.PublishExcept(args[0], c, ws.OpText, []byte(args[1]))
	case "all":
		return s.hub.PublishAll(ws.OpText, []byte(args[0]))
	}
	return errors.New("unknown command " + command)
}

// presence tells the members of a topic.
func (s *commands) presence(e ws.PresenceEvent) {
	s.hub.PublishLocal(e.Topic, ws.OpText, fmt.Appendf(nil, "presence %s %v", e.Who, e.Joined))
}
