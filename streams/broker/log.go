package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// clusterLog takes the log lines of kfake. They are the only sign of a write that failed: kfake logs it and answers
// the client as if nothing had happened.
type clusterLog struct{ broker *Broker }

func (l clusterLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if isFailedWrite(format) {
		l.broker.fail(fmt.Errorf("write the log: %s", fmt.Sprintf(format, args...)))
		return
	}
	at := slog.LevelDebug
	if level == kfake.LogLevelError {
		at = slog.LevelError
	}
	if l.broker.log.Enabled(context.Background(), at) {
		l.broker.log.Log(context.Background(), at, "kfake: "+fmt.Sprintf(format, args...))
	}
}

// isFailedWrite tells the lines of kfake's persist.go and txns.go that report a write that did not happen.
func isFailedWrite(format string) bool {
	return strings.HasPrefix(format, "persist ") || strings.HasPrefix(format, "endTx: failed to persist")
}
