#include "sums.h"

#include "memory.h"
#include "vector.h"

SELDOM static int sum_take(Sum *sum, const Scale *scale, u32 coarse, u32 colours) {
    sum->coarse = memory_take((u64)(coarse + 1) * sizeof(Coarse));
    sum->fine = memory_take((u64)(colours + 1) * sizeof(Fine));
    sum->rows = memory_take(((u64)scale->capacity * scale->plane + SLACK) * sizeof(float));
    return sum->coarse && sum->fine && sum->rows;
}

SELDOM static void add_channel(Sum *sum, const Layout *layout, float **coarse, u32 field, u32 colour, float weight) {
    u32 own = own_fields(layout), colours = layout->description->colours;
    if (field < own) {
        const float *values = coarse[field * colours + colour];
        if (values) sum->coarse[sum->coarse_count++] = (Coarse){values, weight};
    } else if (layout->levels > layout->description->scales)
        sum->fine[sum->fine_count++] = (Fine){level_bands(layout, layout->description->scales, colour), weight};
}

SELDOM Sum *sums_make(const Layout *layout, const Network *network, const Scale *scale, float **coarse) {
    u32 own = own_fields(layout), colours = layout->description->colours, channels = network->channels;
    Sum *sums = memory_take((u64)sums_count(network) * sizeof(Sum));
    if (!sums) return 0;
    Sum *sum = sums;
    for (u32 field = 0; field <= own; field++, sum++) {
        if (!sum_take(sum, scale, 1, 1)) return 0;
        add_channel(sum, layout, coarse, field, 0, 1.0f);
    }
    for (u32 colour = 1; colour < colours; colour++, sum++) {
        if (!sum_take(sum, scale, own, 1)) return 0;
        for (u32 field = 0; field <= own; field++) add_channel(sum, layout, coarse, field, colour, 1.0f);
    }
    for (u32 channel = 0; colours > 1 && channel < channels; channel++, sum++) {
        if (!sum_take(sum, scale, own * colours, colours)) return 0;
        for (u32 field = 0; field <= own; field++)
            for (u32 colour = 1; colour < colours; colour++)
                add_channel(sum, layout, coarse, field, colour,
                            network->skip[((u64)channel * (own + 1) + field) * colours + colour]);
    }
    return sums;
}
