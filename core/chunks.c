#include "chunks.h"

#include "memory.h"
#include "ranges.h"

enum {
    MOST_CLASSES = 16, MOST_MATRICES = 2 * MOST_LAYERS + 4, LARGEST_FREQUENCY = 1 << 22, LONGEST_ROW_STEP = 24,
    FARTHEST_SCALE = 1 << 10, BELLS = 10, REACH = 256, LARGEST_SCALE = BELLS - 1 + 2 * TABLE_BITS,
    MOST_FREQUENCIES = 1 << 12, LARGEST_REACH = 1 << 20, LARGEST_EXPONENT = 32, LARGEST_MAGNITUDE = (1 << 11) - 1,
};

/* How likely 0, 1, 2, ... are, in units of 2^-12. */
static const u16 BELL_FREQUENCIES[BELLS][37] = {
    {3850, 121, 1, 1},
    {3382, 352, 3, 1, 1},
    {2732, 662, 18, 1, 1},
    {2080, 911, 87, 7, 1, 1, 1},
    {1526, 976, 261, 37, 7, 2, 1, 1},
    {1100, 873, 434, 141, 34, 9, 3, 1, 1, 1, 1},
    {784, 699, 489, 271, 121, 45, 16, 6, 3, 2, 1, 1, 1, 1},
    {556, 527, 440, 325, 214, 126, 67, 33, 16, 8, 4, 2, 2, 1, 1, 1, 1, 1, 1},
    {388, 385, 352, 302, 244, 186, 134, 91, 59, 37, 22, 13, 8, 5, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {264, 277, 265, 245, 220, 192, 163, 134, 107, 83, 63, 46, 33, 23, 16, 11, 8, 5, 4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
};

/* Columns of a matrix in classes, each with a table of its own. */
typedef struct {
    u32 rows, columns, classes;
    float step;
    Table of_classes, tables[MOST_CLASSES];
} Matrix;

/* Integers that are decoded at a time: room for the largest matrix. */
static i32 *run, *numbers;

SELDOM static int matrix_read(Reader *reader, Matrix *matrix, u32 rows, u32 columns) {
    matrix->rows = rows;
    matrix->columns = columns;
    matrix->classes = read_byte(reader);
    if (matrix->classes < 1 || matrix->classes > MOST_CLASSES) reader->damaged = 1;
    if (reader->damaged) return 1;
    if (matrix->classes > 1 && !table_read(reader, &matrix->of_classes)) return 0;
    for (u32 each = 0; !reader->damaged && each < matrix->classes; each++)
        if (!table_read(reader, matrix->tables + each)) return 0;
    return 1;
}

/* Integers of a matrix, row by row, into `numbers`. */
SELDOM static void matrix_take(Ranges *ranges, const Matrix *matrix, i32 *classes) {
    u32 rows = matrix->rows, columns = matrix->columns;
    for (u32 column = 0; column < columns; column++) classes[column] = 0;
    if (matrix->classes > 1) ranges_take(ranges, &matrix->of_classes, columns, classes);
    for (u32 column = 0; column < columns; column++)
        if (classes[column] < 0 || classes[column] >= (i32)matrix->classes) {
            ranges->damaged = 1;
            return;
        }
    for (i32 number = 0; number < (i32)matrix->classes; number++) {
        u32 members = 0;
        for (u32 column = 0; column < columns; column++) members += classes[column] == number;
        ranges_take(ranges, matrix->tables + number, rows * members, run);
        const i32 *from = run;
        for (u32 row = 0; row < rows; row++)
            for (u32 column = 0; column < columns; column++)
                if (classes[column] == number) numbers[(u64)row * columns + column] = *from++;
    }
}

/* Differences from row to row to frequencies; whether they stay within what a file may have. */
SELDOM static int frequencies_put(const Matrix *matrix, i32 *to) {
    for (u32 column = 0; column < matrix->columns; column++) {
        i64 sum = 0;
        for (u32 row = 0; row < matrix->rows; row++) {
            u64 at = (u64)row * matrix->columns + column;
            sum += numbers[at];
            if (sum > LARGEST_FREQUENCY || sum < -LARGEST_FREQUENCY) return 0;
            to[at] = (i32)sum;
        }
    }
    return 1;
}

static void *room_for(u64 count) { return memory_take((count + 1) * sizeof(i32)); }

/* Head, and room for what is decoded at a time. */
SELDOM static int begin(const Description *d, const u32 *head, u32 *words, i32 **classes) {
    u32 layers = head[2], widest = head[0] > d->axes ? head[0] : d->axes, tallest = head[1] > head[0] ? head[1] : head[0];
    __builtin_memcpy(words, head, (6 + layers) * sizeof(u32));
    u64 largest = (u64)head[0] * d->axes, inputs = head[0];
    for (u32 layer = 0; layer <= layers; layer++) {
        u32 rows = layer < layers ? head[6 + layer] : head[1];
        if (rows * (inputs + 1) > largest) largest = rows * (inputs + 1);
        if (inputs + 1 > widest) widest = (u32)inputs + 1;
        if (rows > tallest) tallest = rows;
        inputs = rows;
    }
    *classes = room_for(widest);
    run = room_for(largest > tallest ? largest : tallest);
    numbers = room_for(largest);
    return *classes && run && numbers;
}

SELDOM static i32 by_matrices(const Description *d, const u32 *head, Reader *reader, i32 *classes, u32 *words) {
    u32 layers = head[2], count = 2 * layers + 4, inputs = head[0];
    Matrix *matrices = memory_take(count * sizeof(Matrix));
    if (!matrices) return CORE_NO_MEMORY;
    for (u32 each = 0; !reader->damaged && each < count; each++) {
        u32 rows = head[0], columns = 1;
        if (each == 0) columns = d->axes;
        if (each > 1) rows = each / 2 <= layers ? head[5 + each / 2] : head[1];
        if (each > 1 && !(each & 1)) columns = inputs;
        if (each > 1 && each & 1) inputs = rows;
        matrices[each].step = each ? read_step(reader) : 1.0f;
        if (!matrix_read(reader, matrices + each, rows, columns)) return CORE_NO_MEMORY;
    }
    if (reader->damaged || (reader->size - reader->at) % 4) return CORE_DAMAGED;
    Ranges ranges = ranges_of(reader->bytes + reader->at, (reader->size - reader->at) / 4);
    for (u32 each = 0; each < count; each++) {
        const Matrix *matrix = matrices + each;
        u32 size = matrix->rows * matrix->columns;
        matrix_take(&ranges, matrix, classes);
        if (ranges.damaged || (!each && !frequencies_put(matrix, (i32 *)words))) return CORE_DAMAGED;
        for (u32 number = 0; each && number < size; number++)
            ((float *)words)[number] = (float)((double)numbers[number] * (double)matrix->step);
        words += size;
    }
    return ranges_end(&ranges) ? CORE_FINE : CORE_DAMAGED;
}

/* The table of a scale, in half octaves. */
SELDOM static int scale_table(u32 scale, Table *table) {
    if (table->bounds) return 1;
    u32 shift = scale + 2 > BELLS ? (scale + 2 - BELLS) / 2 : 0;
    *table = (Table){-(REACH << shift) - (i32)(1u << shift >> 1), shift, 2 * REACH + 1, room_for(2 * REACH + 2)};
    if (!table->bounds) return 0;
    const u16 *bell = BELL_FREQUENCIES[scale - 2 * shift];
    for (u32 each = 0; each < 37; each++) table->bounds[REACH - each] = table->bounds[REACH + each] = bell[each];
    table_finish(table);
    return 1;
}

/* Numbers of one kind, of all matrices: where those of a matrix are, or that of all its rows or columns. */
SELDOM static i32 *sides_take(Ranges *ranges, const Table *table, u32 count, i32 least, i32 most) {
    i32 *found = room_for(count);
    if (!found) return 0;
    ranges_take(ranges, table, count, found);
    for (u32 each = 0; each < count; each++)
        if (found[each] < least || found[each] > most) ranges->damaged = 1;
    return found;
}

SELDOM static i32 by_rows(const Description *d, const u32 *head, Reader *reader, i32 *classes, u32 *words) {
    u32 layers = head[2], count = layers + 2;
    Matrix *matrix = memory_take(sizeof(Matrix));
    Table *tables = memory_take((LARGEST_SCALE + 1) * sizeof(Table));
    if (!matrix || !tables || !matrix_read(reader, matrix, head[0], d->axes)) return CORE_NO_MEMORY;
    float steps[MOST_LAYERS + 2];
    u8 flags[MOST_LAYERS + 2];
    Table of_sides[3];
    for (u32 each = 0; each < count; each++) steps[each] = read_step(reader);
    for (u32 kind = 0; !reader->damaged && kind < 3; kind++)
        if (!table_read(reader, of_sides + kind)) return CORE_NO_MEMORY;
    for (u32 each = 0; each < count; each++) flags[each] = (u8)read_byte(reader);
    if (reader->damaged || (reader->size - reader->at) % 4) return CORE_DAMAGED;
    Ranges ranges = ranges_of(reader->bytes + reader->at, (reader->size - reader->at) / 4);
    matrix_take(&ranges, matrix, classes);
    if (ranges.damaged || !frequencies_put(matrix, (i32 *)words)) return CORE_DAMAGED;
    words += (u64)head[0] * d->axes;
    const i32 *sides[3];
    for (u32 kind = 0; kind < 3; kind++) {
        u32 all = 0, inputs = head[0];
        for (u32 each = 0; each < count; each++) {
            u32 rows = each ? each <= layers ? head[5 + each] : head[1] : head[0], columns = each ? inputs + 1 : 1;
            all += flags[each] >> kind & 1 ? kind == 2 ? columns : rows : 1;
            inputs = rows;
        }
        sides[kind] = sides_take(&ranges, of_sides + kind, all, kind ? -FARTHEST_SCALE : 0, kind ? FARTHEST_SCALE : LONGEST_ROW_STEP);
        if (!sides[kind]) return CORE_NO_MEMORY;
        if (ranges.damaged) return CORE_DAMAGED;
    }
    for (u32 each = 0, inputs = head[0]; each < count; each++) {
        u32 rows = each ? each <= layers ? head[5 + each] : head[1] : head[0], columns = each ? inputs + 1 : 1;
        u32 have[3] = {flags[each] & 1, flags[each] >> 1 & 1, flags[each] >> 2 & 1};
        /* Cells of each scale: `numbers` holds scales until they are integers. */
        u32 of_scale[LARGEST_SCALE + 1] = {0};
        i32 *scales = numbers;
        for (u32 row = 0; row < rows; row++)
            for (u32 column = 0; column < columns; column++) {
                i32 scale = sides[1][have[1] * row] + sides[2][have[2] * column] - sides[0][have[0] * row];
                scale = scale < 0 ? 0 : scale > LARGEST_SCALE ? LARGEST_SCALE : scale;
                scales[(u64)row * columns + column] = scale;
                of_scale[scale]++;
            }
        i32 *next[LARGEST_SCALE + 1], *at = run;
        for (u32 scale = 0; scale <= LARGEST_SCALE; scale++) {
            next[scale] = at;
            if (!of_scale[scale]) continue;
            if (!scale_table(scale, tables + scale)) return CORE_NO_MEMORY;
            ranges_take(&ranges, tables + scale, of_scale[scale], at);
            at += of_scale[scale];
        }
        if (ranges.damaged) return CORE_DAMAGED;
        float *weights = (float *)words, *biases = weights + (u64)rows * (columns - 1);
        for (u32 row = 0; row < rows; row++) {
            i32 halves = sides[0][have[0] * row];
            double step = (double)(float)((double)steps[each] * (double)(1 << (halves >> 1)) * (halves & 1 ? 181.0 / 128.0 : 1.0));
            for (u32 column = 0; column < columns; column++) {
                float weight = (float)((double)*next[scales[(u64)row * columns + column]]++ * step);
                if (column + 1 < columns)
                    *weights++ = weight;
                else
                    biases[row] = weight;
            }
        }
        for (u32 kind = 0; kind < 3; kind++) sides[kind] += have[kind] ? kind == 2 ? columns : rows : 1;
        words += (u64)rows * columns;
        inputs = rows;
    }
    return ranges_end(&ranges) ? CORE_FINE : CORE_DAMAGED;
}

i32 chunk_sines(const Description *d, const u32 *head, u32 chunk, const u8 *bytes, u32 size, u32 *words) {
    Reader reader = {.bytes = bytes, .size = size};
    i32 *classes;
    if (!begin(d, head, words, &classes)) return CORE_NO_MEMORY;
    words += 6 + head[2];
    if (chunk == CHUNK_OF_MATRICES) return by_matrices(d, head, &reader, classes, words);
    return chunk == CHUNK_OF_ROWS ? by_rows(d, head, &reader, classes, words) : CORE_DAMAGED;
}

static u64 split_mix(u64 *state) {
    u64 z = *state += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

/* Frequencies that a seed stands for; 0 if they are too many. */
SELDOM static int frequencies_draw(u32 count, u32 axes, u32 reach, u32 seed, i32 *to) {
    u64 box = 1, state = seed;
    for (u32 axis = 0; axis < axes && box < 1ull << 32; axis++) box *= reach + 1;
    if (4ull * count > box + 3) return 0;
    for (u32 have = 0; have < count;) {
        i32 *vector = to + (u64)have * axes;
        int is_zero = 1, again = 0;
        for (u32 axis = 0; axis < axes; axis++) {
            u64 least = ~0ull;
            for (u32 draw = 0; draw < 3; draw++) {
                u64 size = split_mix(&state) % (reach + 1);
                if (size < least) least = size;
            }
            int minus = split_mix(&state) % 2 && axis > 0;
            vector[axis] = minus ? -(i32)least : (i32)least;
            if (least) is_zero = 0;
        }
        for (u32 each = 0; each < have && !again; each++) {
            int same = 1, opposite = 1;
            for (u32 axis = 0; axis < axes; axis++) {
                same &= to[each * axes + axis] == vector[axis];
                opposite &= to[each * axes + axis] == -vector[axis];
            }
            again = same || opposite;
        }
        if (!is_zero && !again) have++;
    }
    return 1;
}

/* Probabilities in three numbers; 0 if memory did not suffice. */
SELDOM static int geometric_read(Reader *reader, Table *table) {
    u32 zero = read_varint(reader), largest = read_varint(reader), decay = read_byte(reader);
    if (zero < 1 || zero > TABLE_SUM || largest > LARGEST_MAGNITUDE) reader->damaged = 1;
    if (reader->damaged) return 1;
    *table = (Table){-(i32)largest, 0, 2 * largest + 1, room_for(2 * largest + 2)};
    if (!table->bounds) return 0;
    u64 weight = 1 << 16, total = 0;
    for (u32 each = 0; each < largest; each++, weight = weight * decay >> 8) total += 2 * weight;
    weight = 1 << 16;
    u32 rest = TABLE_SUM;
    for (u32 each = 1; each <= largest; each++, weight = weight * decay >> 8) {
        u32 frequency = (u32)((TABLE_SUM - zero) * weight / total);
        table->bounds[largest - each] = table->bounds[largest + each] = frequency;
        rest -= 2 * frequency;
    }
    table->bounds[largest] = rest;
    table_finish(table);
    return 1;
}

i32 chunk_wavelets(const Description *d, const u32 *head, const u8 *bytes, u32 size, u32 *words, u32 *end) {
    Reader reader = {.bytes = bytes, .size = size};
    u32 frequencies = head[0], channels = head[1], layers = head[2], own = d->scales < 3 ? d->scales : 3;
    u32 inputs = own + d->colours + d->axes * (d->axes + 3) / 2;
    u32 seed = read_varint(&reader), reach = read_varint(&reader), scales = read_byte(&reader), colours = read_byte(&reader);
    if (reader.damaged || scales != d->scales || colours != d->colours || frequencies > MOST_FREQUENCIES || reach < 1 || reach > LARGEST_REACH)
        return CORE_DAMAGED;
    __builtin_memcpy(words, head, (6 + layers) * sizeof(u32));
    words += 6 + layers;
    if (!frequencies_draw(frequencies, d->axes, reach, seed, (i32 *)words)) return CORE_DAMAGED;
    words += (u64)frequencies * d->axes;
    for (u32 each = 0; each < inputs; each++) {
        i64 exponent = read_signed(&reader);
        if (exponent > LARGEST_EXPONENT || exponent < -LARGEST_EXPONENT) reader.damaged = 1;
        if (reader.damaged) return CORE_DAMAGED;
        *words++ = (u32)(127 + exponent) << 23;
    }
    u32 count = 3 + 2 * (layers - 1) + 3;
    Table *tables = memory_take(count * sizeof(Table));
    float *steps = room_for(count);
    if (!tables || !steps) return CORE_NO_MEMORY;
    for (u32 each = 0; each < count; each++) {
        steps[each] = read_step(&reader);
        if (!geometric_read(&reader, tables + each)) return CORE_NO_MEMORY;
        if (reader.damaged) return CORE_DAMAGED;
    }
    u32 coded = read_varint(&reader);
    if (reader.damaged || coded > (size - reader.at) / 4) return CORE_DAMAGED;
    Ranges ranges = ranges_of(bytes + reader.at, coded);
    const u32 *widths = head + 6;
    for (u32 each = 0; each < count; each++) {
        u32 layer = each < 3 ? 0 : (each - 1) / 2, last = widths[layers - 1], width = layer < layers ? widths[layer] : 0, many;
        if (each == 0) many = width * 2 * frequencies;
        else if (each == 1) many = width * inputs;
        else if (each == count - 3) many = channels * (own + 1) * colours;
        else if (each == count - 2) many = channels * last;
        else if (each == count - 1) many = channels;
        else many = each & 1 ? width * widths[layer - 1] : width;
        ranges_take(&ranges, tables + each, many, (i32 *)words);
        for (u32 number = 0; number < many; number++, words++) {
            float weight = (float)((double)*(i32 *)words * (double)steps[each]);
            __builtin_memcpy(words, &weight, sizeof(weight));
        }
    }
    *end = reader.at + 4 * coded;
    return ranges_end(&ranges) ? CORE_FINE : CORE_DAMAGED;
}
