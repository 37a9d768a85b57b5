// kHeavyHash of a block of Kaspa, written to be read: the form that every generated kernel must equal.
// The host lays the block into the first sponge and draws the matrix; both permutations and the product are done
// here, in plain loops. A lane of 64 bits is a pair of words, the low one first.

struct Results {
    count: atomic<u32>,
    hits: array<u32, 63>,
}

struct Parameters {
    first_nonce: u32,
    count: u32,
    first_nonce_high: u32,
}

struct Job {
    // State before the first permutation, with a nonce of zero: two lanes in each element.
    block: array<vec4<u32>, 13>,
    // State before the second permutation, without the product.
    heavy: array<vec4<u32>, 13>,
    // First the top 32 bits of the target.
    target_top: vec4<u32>,
    // Numbers below 16, each in a byte: 16 in an element, 64 in a row.
    matrix: array<vec4<u32>, 256>,
}

@group(0) @binding(0) var<storage, read_write> results: Results;
@group(0) @binding(1) var<uniform> parameters: Parameters;
@group(0) @binding(2) var<uniform> job: Job;

const WORKGROUP_SIZE = 64u;

// Round constants (FIPS 202, 3.2.5).
const ROUND = array<vec2<u32>, 24>(
    vec2(0x00000001u, 0x00000000u), vec2(0x00008082u, 0x00000000u), vec2(0x0000808au, 0x80000000u),
    vec2(0x80008000u, 0x80000000u), vec2(0x0000808bu, 0x00000000u), vec2(0x80000001u, 0x00000000u),
    vec2(0x80008081u, 0x80000000u), vec2(0x00008009u, 0x80000000u), vec2(0x0000008au, 0x00000000u),
    vec2(0x00000088u, 0x00000000u), vec2(0x80008009u, 0x00000000u), vec2(0x8000000au, 0x00000000u),
    vec2(0x8000808bu, 0x00000000u), vec2(0x0000008bu, 0x80000000u), vec2(0x00008089u, 0x80000000u),
    vec2(0x00008003u, 0x80000000u), vec2(0x00008002u, 0x80000000u), vec2(0x00000080u, 0x80000000u),
    vec2(0x0000800au, 0x00000000u), vec2(0x8000000au, 0x80000000u), vec2(0x80008081u, 0x80000000u),
    vec2(0x00008080u, 0x80000000u), vec2(0x80000001u, 0x00000000u), vec2(0x80008008u, 0x80000000u),
);

// Rotation of each lane to the left, lane (x, y) at x + 5 * y (FIPS 202, table 2).
const ROTATION = array<u32, 25>(
    0u, 1u, 62u, 28u, 27u, 36u, 44u, 6u, 55u, 20u, 3u, 10u, 43u,
    25u, 39u, 41u, 45u, 15u, 21u, 8u, 18u, 2u, 61u, 56u, 14u,
);

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + local;
    if index >= parameters.count {
        return;
    }
    let nonce = parameters.first_nonce + index;
    // The low word wrapped if it is less than the first one.
    let nonce_high = parameters.first_nonce_high + select(0u, 1u, nonce < parameters.first_nonce);

    var state: array<vec2<u32>, 25>;
    for (var lane = 0u; lane < 25u; lane++) {
        state[lane] = lane_of(job.block[lane / 2u], lane);
    }
    state[9] ^= vec2(nonce, nonce_high);
    permute(&state);

    // The digest's 64 half bytes, of each byte the high one first.
    var vector: array<u32, 64>;
    for (var i = 0u; i < 64u; i++) {
        vector[i] = (byte_of_digest(&state, i / 2u) >> (4u - 4u * (i % 2u))) & 15u;
    }
    var product: array<u32, 64>;
    for (var row = 0u; row < 64u; row++) {
        var sum = 0u;
        for (var column = 0u; column < 64u; column++) {
            let word = job.matrix[row * 4u + column / 16u][(column / 4u) % 4u];
            sum += ((word >> (8u * (column % 4u))) & 255u) * vector[column];
        }
        product[row] = sum >> 10u;
    }

    // The second sponge takes the digest with the product laid over it.
    var heavy: array<vec2<u32>, 25>;
    for (var lane = 0u; lane < 25u; lane++) {
        heavy[lane] = lane_of(job.heavy[lane / 2u], lane);
    }
    for (var i = 0u; i < 32u; i++) {
        let byte = byte_of_digest(&state, i) ^ (product[2u * i] << 4u) ^ product[2u * i + 1u];
        heavy[i / 8u][(i / 4u) % 2u] ^= byte << (8u * (i % 4u));
    }
    permute(&heavy);

    // The hash is a little-endian number, so its top is in the last of its four lanes.
    if heavy[3].y <= job.target_top.x {
        let place = atomicAdd(&results.count, 1u);
        if place < 63u {
            results.hits[place] = index;
        }
    }
}

fn lane_of(two: vec4<u32>, lane: u32) -> vec2<u32> {
    return select(two.xy, two.zw, lane % 2u == 1u);
}

fn byte_of_digest(state: ptr<function, array<vec2<u32>, 25>>, byte: u32) -> u32 {
    return ((*state)[byte / 8u][(byte / 4u) % 2u] >> (8u * (byte % 4u))) & 255u;
}

// Keccak-f[1600].
fn permute(state: ptr<function, array<vec2<u32>, 25>>) {
    for (var round = 0u; round < 24u; round++) {
        // Theta.
        var columns: array<vec2<u32>, 5>;
        for (var lane = 0u; lane < 25u; lane++) {
            columns[lane % 5u] ^= (*state)[lane];
        }
        for (var lane = 0u; lane < 25u; lane++) {
            (*state)[lane] ^= columns[(lane + 4u) % 5u] ^ rotate(columns[(lane + 1u) % 5u], 1u);
        }
        // Rho and pi.
        var moved: array<vec2<u32>, 25>;
        for (var x = 0u; x < 5u; x++) {
            for (var y = 0u; y < 5u; y++) {
                moved[y + 5u * ((2u * x + 3u * y) % 5u)] = rotate((*state)[x + 5u * y], ROTATION[x + 5u * y]);
            }
        }
        // Chi.
        for (var lane = 0u; lane < 25u; lane++) {
            let row = lane - lane % 5u;
            (*state)[lane] = moved[lane] ^ (~moved[row + (lane + 1u) % 5u] & moved[row + (lane + 2u) % 5u]);
        }
        // Iota.
        (*state)[0] ^= ROUND[round];
    }
}

// Rotation to the left.
fn rotate(lane: vec2<u32>, bits: u32) -> vec2<u32> {
    let words = select(lane, lane.yx, bits >= 32u);
    let rest = bits % 32u;
    if rest == 0u {
        return words;
    }
    return (words << vec2(rest)) | (words.yx >> vec2(32u - rest));
}
