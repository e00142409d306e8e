package ws

// HubOption sets what a hub does differently from the default.
type HubOption func(*hubConfig)

type hubConfig struct {
	envelope   func([]byte, Message) []byte
	limit      HistoryLimit
	onPresence func(PresenceEvent)
	beat       beatTimes
	broker     Broker
	onError    func(error)
}

// WithEnvelope has f write what the members of a topic get for a message, behind
// dst: to bring them its topic and its position, say. f runs once for a message in
// each hub, under a lock: it must not call the hub. The result is a text for a text.
func WithEnvelope(f func(dst []byte, m Message) []byte) HubOption {
	return func(c *hubConfig) { c.envelope = f }
}

// WithHistory keeps the last messages of each topic, for Since.
func WithHistory(limit HistoryLimit) HubOption {
	limit.defaults()
	return func(c *hubConfig) { c.limit = limit }
}

// WithBroker joins the hub to others.
func WithBroker(b Broker) HubOption { return func(c *hubConfig) { c.broker = b } }

// WithBrokerErrors has f hear what goes wrong at the broker: messages that may not
// have reached the others or not have come from them. It runs on any goroutine. By
// default they are logged by slog.Default().
func WithBrokerErrors(f func(error)) HubOption { return func(c *hubConfig) { c.onError = f } }
