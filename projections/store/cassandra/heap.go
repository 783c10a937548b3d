package cassandra

import "bytes"

// heap holds the cursors that have rows, the one with the first key on top.
type heap []*cursor

func newHeap(all []*cursor) (h heap) {
	for _, c := range all {
		if len(c.page) > 0 {
			h = append(h, c)
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	return h
}

// settle puts things in order after the top has gone on, or has no more.
func (h heap) settle() heap {
	if len(h[0].page) == 0 {
		last := len(h) - 1
		h[0] = h[last]
		h = h[:last]
	}
	h.down(0)
	return h
}

func (h heap) down(i int) {
	for {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(h) && bytes.Compare(h[child].page[0].key, h[least].page[0].key) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
