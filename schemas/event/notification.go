package event

// NotificationRead says that a customer has read a notification. The first one counts: another one changes nothing.
type NotificationRead struct {
	EventID        string `avro:"event_id"`
	RecordedAt     Micros `avro:"recorded_at"`
	CustomerID     string `avro:"customer_id"`
	Principal      string `avro:"principal"`
	CorrelationID  string `avro:"correlation_id"`
	NotificationID string `avro:"notification_id"` // the EffectID of the NotificationRequested
	NotifiedAt     Micros `avro:"notified_at"`     // and its OccurredAt
}

// Name returns the full name of the event's Avro record.
func (*NotificationRead) Name() string { return NameNotificationRead }
