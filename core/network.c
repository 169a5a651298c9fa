#include "network.h"

#include "memory.h"
#include "sine.h"
#include "wavelets.h"

/* Angles are in half turns from the weights on. */
static const double HALF_TURNS = 0.318309886183790671538;

static u32 fours(u32 count) { return (count + 3) & ~3u; }

/* Where the weight of an output and an input is, in all lanes, which spares every use a broadcast. */
static u64 weight_at(u32 output, u32 input, u32 inputs) {
    return (((u64)(output / 4) * inputs + input) * 4 + output % 4) * LANES;
}

/* Weights of a row by row matrix where `layer_sum` looks for them, from some input on. */
static void put_weights(float *to, u32 all, u32 from, const float *matrix, u32 outputs, u32 inputs, u32 stride, const float *factors, double unit) {
    for (u32 output = 0; output < outputs; output++)
        for (u32 input = 0; input < inputs; input++)
            store4(to + weight_at(output, from + input, all),
                   all4((float)((double)matrix[(u64)output * stride + input] * unit * (factors ? factors[input] : 1.0f))));
}

static float *layer_take(Layer *layer, u32 outputs, u32 inputs, const float *bias, double unit) {
    layer->outputs = fours(outputs);
    layer->inputs = inputs;
    float *weights = memory_take((u64)layer->outputs * inputs * LANES * sizeof(float));
    float *padded = memory_take((u64)layer->outputs * sizeof(float));
    if (!weights || !padded) return 0;
    for (u32 output = 0; output < outputs; output++) padded[output] = (float)((double)bias[output] * unit);
    layer->weights = weights;
    layer->bias = padded;
    return weights;
}

/* Sines and cosines of the distance from the first of POINTS samples along the last axis. */
static void waves_make(Network *network) {
    const Description *d = network->description;
    u32 count = network->frequency_count, last = d->axes - 1;
    for (u32 each = 0; each < count; each++)
        for (u32 point = 0; point < POINTS_ROOM; point++) {
            double distance = 2.0 * (double)point / (double)d->samples[last];
            Turn turn = turn_of((double)network->frequencies[each * d->axes + last] * distance / network->period);
            network->waves[(u64)each * POINTS_ROOM + point] = (float)turn.sine;
            network->waves[(u64)(count + each) * POINTS_ROOM + point] = (float)turn.cosine;
        }
}

i32 network_make(Network *network, const Layout *layout, const u32 *words, u32 count) {
    const Description *d = layout->description;
    const u32 most = 1 << 16;
    u32 axes = d->axes, own = own_fields(layout), summed = own + d->colours;
    if (count < 6) return CORE_BAD_NETWORK;
    *network = (Network){.description = d, .frequency_count = words[0], .channels = words[1], .layer_count = words[2],
                         .inputs = summed + axes * (axes + 3) / 2, .fields = own + 1};
    u32 frequencies = words[0], channels = words[1], layers = words[2], waves = 2 * frequencies;
    __builtin_memcpy(&network->period, words + 4, sizeof(double));
    if (frequencies > most || channels < 1 || channels > most || layers < 1 || layers > MOST_LAYERS || count < 6 + layers ||
        !(network->period > 1e-30 && network->period < 1e30))
        return CORE_BAD_NETWORK;
    const u32 *widths = words + 6;
    u32 skipped = (own + 1) * d->colours, width = waves + network->inputs, widest = channels;
    u64 expected = 6ull + layers + (u64)frequencies * axes + network->inputs + (u64)channels * (skipped + 1);
    for (u32 layer = 0; layer < layers; layer++) {
        if (widths[layer] < 1 || widths[layer] > most) return CORE_BAD_NETWORK;
        expected += (u64)widths[layer] * (width + 1);
        width = widths[layer];
        if (width > widest) widest = width;
    }
    expected += (u64)channels * width;
    if (expected != count) return CORE_BAD_NETWORK;

    network->frequencies = (const i32 *)(widths + layers);
    const float *factors = (const float *)(network->frequencies + (u64)frequencies * axes);
    network->first_width = widths[0];
    network->sine_weights = factors + network->inputs;
    const float *next = network->sine_weights + (u64)widths[0] * waves;
    u32 inputs = waves + network->inputs;
    network->first_weights = layer_take(network->layers, widths[0], inputs, next + (u64)widths[0] * network->inputs, HALF_TURNS);
    if (!network->first_weights) return CORE_NO_MEMORY;
    put_weights(network->first_weights, inputs, 0, next, widths[0], network->inputs, network->inputs, factors, HALF_TURNS);
    next += (u64)widths[0] * network->inputs + widths[0];
    for (u32 layer = 1; layer < layers; layer++) {
        u32 before = widths[layer - 1];
        float *weights = layer_take(network->layers + layer, widths[layer], before, next + (u64)widths[layer] * before, HALF_TURNS);
        if (!weights) return CORE_NO_MEMORY;
        put_weights(weights, before, 0, next, widths[layer], before, before, 0, HALF_TURNS);
        next += (u64)widths[layer] * before + widths[layer];
    }
    network->skip = next;
    next += (u64)channels * skipped;
    u32 read = width + own + 1;
    float *weights = layer_take(network->layers + layers, channels, read, next + (u64)channels * width, 1.0);
    if (!weights) return CORE_NO_MEMORY;
    put_weights(weights, read, 0, next, channels, width, width, 0, 1.0);
    for (u32 field = 0; field <= own; field++)
        put_weights(weights, read, width + field, network->skip + (u64)field * d->colours, channels, 1, skipped, 0, 1.0);

    u64 room = ((u64)fours(widest) + network->fields) * POINTS_ROOM * sizeof(float);
    network->inputs_room = memory_take((u64)inputs * POINTS_ROOM * sizeof(float));
    network->turned = memory_take((u64)waves * sizeof(float) + 16);
    network->hidden[0] = memory_take(room);
    network->hidden[1] = memory_take(room);
    network->values = memory_take(room);
    if (!network->inputs_room || !network->turned || !network->hidden[0] || !network->hidden[1] || !network->values)
        return CORE_NO_MEMORY;
    network->waves = network->inputs_room + (u64)network->inputs * POINTS_ROOM;
    waves_make(network);
    return CORE_FINE;
}

void network_place(Network *network, const u32 *place) {
    const Description *d = network->description;
    u32 count = network->frequency_count, inputs = network->layers[0].inputs;
    for (u32 each = 0; each < count; each++) {
        double turns = 0.0;
        for (u32 axis = 0; axis < d->axes; axis++) {
            double at = (2.0 * (double)place[axis] + 1.0) / (double)d->samples[axis] - 1.0;
            turns += (double)network->frequencies[each * d->axes + axis] * at / network->period;
        }
        Turn turn = turn_of(turns);
        network->turned[each] = (float)(turn.sine * HALF_TURNS);
        network->turned[count + each] = (float)(turn.cosine * HALF_TURNS);
    }
    /* w sin(a + b) + v cos(a + b) = (w cos a - v sin a) sin b + (w sin a + v cos a) cos b: a is here, b from here on. */
    for (u32 output = 0; output < network->first_width; output++) {
        const float *row = network->sine_weights + (u64)output * 2 * count;
        float *to = network->first_weights + weight_at(output, network->inputs, inputs);
        for (u32 each = 0; each < count; each++) {
            float sine = network->turned[each], cosine = network->turned[count + each];
            store4(to + 4 * LANES * each, all4(row[each] * cosine - row[count + each] * sine));
            store4(to + 4 * LANES * (count + each), all4(row[each] * sine + row[count + each] * cosine));
        }
    }
}

/* Four outputs and eight points at a time, which fit the registers. */
static inline __attribute__((always_inline)) void layer_sum(const Layer *layer, const float *rows, u32 points, float *out, int is_sine) {
    const float *weights = layer->weights;
    for (u32 output = 0; output < layer->outputs; output += 4, weights += (u64)layer->inputs * 4 * LANES)
        for (u32 point = 0; point < points; point += 2 * LANES) {
            f32x4 a0 = all4(layer->bias[output]), b0 = all4(layer->bias[output + 1]);
            f32x4 c0 = all4(layer->bias[output + 2]), d0 = all4(layer->bias[output + 3]);
            f32x4 a1 = a0, b1 = b0, c1 = c0, d1 = d0;
            const float *weight = weights, *row = rows + point;
#pragma clang loop unroll(disable)
            for (u32 input = 0; input < layer->inputs; input++, weight += 4 * LANES, row += POINTS_ROOM) {
                f32x4 one = load4(row), two = load4(row + LANES);
                f32x4 a = load4(weight), b = load4(weight + LANES), c = load4(weight + 2 * LANES), d = load4(weight + 3 * LANES);
                a0 += a * one, b0 += b * one, c0 += c * one, d0 += d * one;
                a1 += a * two, b1 += b * two, c1 += c * two, d1 += d * two;
            }
            if (is_sine) {
                a0 = sine4(a0), b0 = sine4(b0), c0 = sine4(c0), d0 = sine4(d0);
                a1 = sine4(a1), b1 = sine4(b1), c1 = sine4(c1), d1 = sine4(d1);
            }
            float *to = out + (u64)output * POINTS_ROOM + point;
            store4(to, a0), store4(to + LANES, a1);
            store4(to + POINTS_ROOM, b0), store4(to + POINTS_ROOM + LANES, b1);
            store4(to + 2 * POINTS_ROOM, c0), store4(to + 2 * POINTS_ROOM + LANES, c1);
            store4(to + 3 * POINTS_ROOM, d0), store4(to + 3 * POINTS_ROOM + LANES, d1);
        }
}

void network_values(Network *network, u32 points) {
    const float *rows = network->inputs_room;
    u32 turn = 0;
    for (u32 layer = 0; layer < network->layer_count; layer++, turn = !turn) {
        layer_sum(network->layers + layer, rows, points, network->hidden[turn], 1);
        rows = network->hidden[turn];
    }
    const Layer *readout = network->layers + network->layer_count;
    float *fields = network->hidden[!turn] + (u64)(readout->inputs - network->fields) * POINTS_ROOM;
    for (u32 field = 0; field < network->fields; field++, fields += POINTS_ROOM)
        for (u32 point = 0; point < points; point += LANES)
            store4(fields + point, load4(network->inputs_room + (u64)field * POINTS_ROOM + point));
    layer_sum(readout, rows, points, network->values, 0);
}
