/* Runs of integers by tables: the coder of weights, of which the page of the format has the rules. Decodes only. */
#ifndef CORE_RANGES_H
#define CORE_RANGES_H

#include "core.h"

enum { TABLE_BITS = 12, TABLE_SUM = 1 << TABLE_BITS, INTERVAL_BITS = 24 };

/* Bytes that are read one after the other; `damaged` stays once they end too early, or are not what they should be. */
typedef struct {
    const u8 *bytes;
    u32 size, at;
    int damaged;
} Reader;

u32 read_byte(Reader *reader);
u32 read_varint(Reader *reader);
i64 read_signed(Reader *reader);
float read_step(Reader *reader); /* above 0, at most 2^32 */

typedef struct {
    i32 low;
    u32 shift, count;
    u32 *bounds; /* one more than there are symbols */
} Table;

/* Bounds of symbols whose frequencies they hold at first, the last one being whatever is missing to the sum. */
void table_finish(Table *table);

/* A table as chunks of sines have them; 0 if memory did not suffice. */
int table_read(Reader *reader, Table *table);

typedef struct {
    const u8 *bytes;
    u32 words, next;
    u64 range, distance;
    int damaged;
} Ranges;

Ranges ranges_of(const u8 *bytes, u32 words);

/* The next integers, all by one table. */
void ranges_take(Ranges *ranges, const Table *table, u32 count, i32 *to);

/* Whether all symbols were such and nothing is left over: no word, and of the last ones no more than an encoder ends with. */
static inline int ranges_end(const Ranges *ranges) {
    int is_spent = ranges->range == ~0ull || ranges->distance < (1ull << 33) - 1;
    return !ranges->damaged && ranges->next >= ranges->words && is_spent;
}

#endif
