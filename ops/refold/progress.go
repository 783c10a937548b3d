package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows how far long work is: a moving bar on a terminal, a line every few seconds elsewhere.
type bar struct {
	out   io.Writer
	name  string
	moves *progressbar.ProgressBar // nil where out is not a terminal
	said  time.Time
}

const sayEvery = 5 * time.Second

func newBar(out io.Writer, name string) *bar {
	b := &bar{out: out, name: name, said: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.moves = progressbar.NewOptions64(1,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription(name),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(30),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionFullWidth(),
		)
	}
	return b
}

// count says how much of all is done.
func (b *bar) count(done, all int64) { b.say(done, all, "") }

// say is count with words of the caller behind the bar.
func (b *bar) say(done, all int64, words string) {
	if b.moves != nil {
		b.moves.ChangeMax64(max(all, 1))
		b.moves.Describe(b.name + words)
		_ = b.moves.Set64(min(done, max(all, 1))) // a terminal that cannot be drawn on is no failure of the work
		return
	}
	if all > 0 && time.Since(b.said) >= sayEvery {
		b.said = time.Now()
		fmt.Fprintf(b.out, "%s: %d%%%s\n", b.name, 100*done/all, words)
	}
}

// finish ends the line of a moving bar.
func (b *bar) finish() {
	if b.moves != nil {
		_ = b.moves.Exit()
		fmt.Fprintln(b.out)
	}
}
