#include "ranges.h"

#include "memory.h"

enum { WIDEST = 1 << 24 };

u32 read_byte(Reader *reader) {
    if (reader->at >= reader->size) {
        reader->damaged = 1;
        return 0;
    }
    return reader->bytes[reader->at++];
}

u32 read_varint(Reader *reader) {
    u64 value = 0;
    for (u32 shift = 0; shift < 35; shift += 7) {
        u32 group = read_byte(reader);
        value |= (u64)(group & 0x7F) << shift;
        if (group < 0x80) {
            if ((!group && shift) || value >> 32) break;
            return (u32)value;
        }
    }
    reader->damaged = 1;
    return 0;
}

i64 read_signed(Reader *reader) {
    u32 folded = read_varint(reader);
    return folded & 1 ? -(((i64)folded + 1) >> 1) : (i64)(folded >> 1);
}

float read_step(Reader *reader) {
    u32 bits = 0;
    for (u32 each = 0; each < 4; each++) bits |= read_byte(reader) << 8 * each;
    float step;
    __builtin_memcpy(&step, &bits, sizeof(step));
    if (!(step > 0.0f && step <= 4294967296.0f)) {
        reader->damaged = 1;
        return 1.0f;
    }
    return step;
}

void table_finish(Table *table) {
    u32 sum = 0, before = 0;
    for (u32 symbol = 0; symbol < table->count; symbol++) {
        u32 frequency = table->bounds[symbol];
        table->bounds[symbol] = before;
        sum += frequency;
        before = (u32)((u64)sum * ((1u << INTERVAL_BITS) - table->count) >> TABLE_BITS) + symbol + 1;
    }
    table->bounds[table->count] = 1u << INTERVAL_BITS;
}

int table_read(Reader *reader, Table *table) {
    i64 low = read_signed(reader);
    u32 shift = read_byte(reader), count = read_varint(reader), sum = 0;
    if (shift > TABLE_BITS || count < 1 || count > TABLE_SUM || low < -WIDEST || low + ((i64)count << shift) - 1 > WIDEST)
        reader->damaged = 1;
    if (reader->damaged) return 1;
    *table = (Table){(i32)low, shift, count, memory_take((count + 1ull) * sizeof(u32))};
    if (!table->bounds) return 0;
    for (u32 symbol = 0; symbol + 1 < count; symbol++) {
        u32 frequency = read_varint(reader);
        if (frequency > TABLE_SUM - sum) {
            reader->damaged = 1;
            return 1;
        }
        sum += table->bounds[symbol] = frequency;
    }
    table->bounds[count - 1] = TABLE_SUM - sum;
    table_finish(table);
    return 1;
}

static u64 word(Ranges *ranges) {
    if (ranges->next >= ranges->words) return 0;
    u32 found;
    __builtin_memcpy(&found, ranges->bytes + 4ull * ranges->next++, sizeof(found));
    return found;
}

Ranges ranges_of(const u8 *bytes, u32 words) {
    Ranges ranges = {.bytes = bytes, .words = words, .range = ~0ull};
    u64 first = word(&ranges);
    ranges.distance = first << 32 | word(&ranges);
    return ranges;
}

/* One symbol, by bounds or, without any, one of 2^shift that are equally likely. */
static u32 symbol_take(Ranges *ranges, const u32 *bounds, u32 count, u32 shift) {
    u64 scale = ranges->range >> INTERVAL_BITS, quotient = ranges->distance / scale;
    if (quotient >> INTERVAL_BITS) {
        ranges->damaged = 1;
        quotient = (1u << INTERVAL_BITS) - 1;
    }
    u32 at = 0, from, width, place = (u32)quotient;
    if (bounds) {
        u32 most = count; /* bounds[at] <= place < bounds[most] */
        while (most - at > 1) {
            u32 middle = (at + most) / 2;
            if (bounds[middle] <= place)
                at = middle;
            else
                most = middle;
        }
        from = bounds[at];
        width = bounds[at + 1] - from;
    } else {
        width = 1u << (INTERVAL_BITS - shift);
        at = place / width;
        from = at * width;
    }
    ranges->distance -= scale * from;
    ranges->range = scale * width;
    if (!(ranges->range >> 32)) {
        ranges->range <<= 32;
        ranges->distance = ranges->distance << 32 | word(ranges);
    }
    return at;
}

void ranges_take(Ranges *ranges, const Table *table, u32 count, i32 *to) {
    for (u32 each = 0; each < count; each++)
        to[each] = table->low + (i32)((table->count > 1 ? symbol_take(ranges, table->bounds, table->count, 0) : 0) << table->shift);
    for (u32 each = 0; table->shift && each < count; each++) to[each] += (i32)symbol_take(ranges, 0, 0, table->shift);
}
