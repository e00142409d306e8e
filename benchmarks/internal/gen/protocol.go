package gen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Order is a line that the load reads: a job, or, where that waits at a level, leave
// to go on.
type Order struct {
	Job  *Job `json:",omitempty"`
	GoOn bool `json:",omitempty"`
}

// Reply is a line that it writes: that a level is reached, and in the end of each job
// its result or an error.
type Reply struct {
	Level  int     `json:",omitempty"`
	Result *Result `json:",omitempty"`
	Error  string  `json:",omitempty"`
}

// Serve does the jobs that in orders, one at a time, until in ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	e, err := New()
	if err != nil {
		return err
	}
	orders, replies := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var order Order
		if err := orders.Decode(&order); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, e.Close())
		}
		if order.Job == nil {
			return errors.Join(errors.New("an order without a job"), e.Close())
		}
		level := func(n int) error {
			var leave Order
			if err := replies.Encode(Reply{Level: n}); err != nil {
				return err
			}
			if err := orders.Decode(&leave); err != nil {
				return err
			}
			if !leave.GoOn {
				return fmt.Errorf("another order while %d connections are held", n)
			}
			return nil
		}
		reply := Reply{}
		if result, err := e.Run(ctx, *order.Job, level); err != nil {
			reply.Error = err.Error()
		} else {
			reply.Result = &result
		}
		if err := replies.Encode(reply); err != nil {
			return errors.Join(err, e.Close())
		}
	}
}
