package dev.cairn.transaction.run;

/// Several sorted sources seen as one: the source with the lowest key is on top, and of those with equal keys the newest.
final class MergeHeap<S extends MergeHeap.Source> {
    /// A place in a sorted sequence of items.
    static class Source {
        /// 0 is the newest.
        final int rank;
        ItemBlock block;
        int at;

        Source(int rank) {
            this.rank = rank;
        }
    }

    private final Source[] heap;
    private int size;

    MergeHeap(int sourcesMax) {
        heap = new Source[sourcesMax];
    }

    boolean isEmpty() {
        return size == 0;
    }

    @SuppressWarnings("unchecked")
    S top() {
        return (S) heap[0];
    }

    void add(S source) {
        int i = size++;
        while (i > 0 && before(source, heap[(i - 1) / 2])) {
            heap[i] = heap[(i - 1) / 2];
            i = (i - 1) / 2;
        }
        heap[i] = source;
    }

    /// The top has moved on.
    void topMoved() {
        sink(heap[0]);
    }

    void removeTop() {
        var last = heap[--size];
        heap[size] = null;
        if (size > 0) sink(last);
    }

    private void sink(Source source) {
        int i = 0;
        for (int child = 1; child < size; child = 2 * i + 1) {
            if (child + 1 < size && before(heap[child + 1], heap[child])) child++;
            if (!before(heap[child], source)) break;
            heap[i] = heap[child];
            i = child;
        }
        heap[i] = source;
    }

    private static boolean before(Source a, Source b) {
        int order = a.block.compare(a.at, b.block, b.at);
        return order != 0 ? order < 0 : a.rank < b.rank;
    }
}
