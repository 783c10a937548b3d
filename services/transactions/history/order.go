package history

import (
	"cmp"
	"maps"
	"slices"
)

// order looks for a command that stands behind one that was asked only when it had been answered.
func (a *answers) order() {
	all := slices.DeleteFunc(slices.Collect(maps.Keys(a.at)), func(n name) bool { return a.keys[n] == nil })
	slices.SortFunc(all, func(m, n name) int {
		p, q := a.at[m], a.at[n]
		return cmp.Or(cmp.Compare(p.Partition, q.Partition), cmp.Compare(q.Offset, p.Offset))
	})
	earliest, by, partition := none, name{}, int32(-1)
	for _, n := range all { // backwards
		if p := a.at[n].Partition; p != partition {
			earliest, partition = none, p
		}
		k := a.keys[n]
		if earliest < k.first {
			a.found(Disorder, "I-ORDER: %s was answered before %s was asked, and stands behind it", by, n)
		}
		if k.told < earliest {
			earliest, by = k.told, n
		}
	}
}
