package history

import "time"

// service is when the partitions acknowledged something.
type service struct {
	last map[int32]time.Time
	gaps map[int32]time.Duration // the longest of each
}

func newService() service {
	return service{last: make(map[int32]time.Time), gaps: make(map[int32]time.Duration)}
}

func (s service) answer(e *Event) {
	p := e.Record.Partition
	if last, ok := s.last[p]; ok {
		s.gaps[p] = max(s.gaps[p], e.Time.Sub(last))
	}
	s.last[p] = e.Time
}

// Gap returns the longest time in which a partition acknowledged nothing between two answers.
func (s service) Gap() (partition int32, gap time.Duration) {
	for p, g := range s.gaps {
		if g > gap {
			partition, gap = p, g
		}
	}
	return partition, gap
}
