package gateway

import (
	"time"
	_ "time/tzdata" // the same zones on every machine, also where the system has none

	"google.golang.org/protobuf/reflect/protoreflect"
)

// zoneField is the field of a request that names a time zone; empty is UTC.
const zoneField = "time_zone"

// checkZone returns what is wrong with the time zone of a request: no rule of a .proto file knows their names.
func checkZone(m protoreflect.Message) []*Violation {
	field := m.Descriptor().Fields().ByName(zoneField)
	if field == nil {
		return nil
	}
	name := m.Get(field).String()
	if _, err := time.LoadLocation(name); err == nil && name != "Local" {
		return nil
	}
	return []*Violation{{Field: zoneField, Description: "must be a name in the IANA time zone database, such as Europe/Paris"}}
}
