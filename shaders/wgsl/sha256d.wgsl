// SHA-256d of an 80-byte header, written to be read: the form that every generated kernel must equal.
// The host hashes the header's first block; its second block and the second hash are done here, in plain loops
// as FIPS 180-4 has them.

struct Results {
    count: atomic<u32>,
    hits: array<u32, 63>,
}

struct Parameters {
    first_nonce: u32,
    count: u32,
}

struct Job {
    // State after the header's first 64 bytes.
    midstate: array<vec4<u32>, 2>,
    // Last word of the merkle root, time, bits (all as SHA-256 reads them), and the bits of the hash's last word
    // that must be zero.
    tail: vec4<u32>,
}

@group(0) @binding(0) var<storage, read_write> results: Results;
@group(0) @binding(1) var<uniform> parameters: Parameters;
@group(0) @binding(2) var<uniform> job: Job;

const WORKGROUP_SIZE = 256u;

const INITIAL = array<u32, 8>(
    0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
);

const ROUND = array<u32, 64>(
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
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

    // The rest of the header, padded to a block: 640 bits in all.
    var block: array<u32, 16>;
    block[0] = job.tail.x;
    block[1] = job.tail.y;
    block[2] = job.tail.z;
    block[3] = swap_bytes(nonce);
    block[4] = 0x80000000u;
    block[15] = 640u;
    var state = array<u32, 8>(
        job.midstate[0].x, job.midstate[0].y, job.midstate[0].z, job.midstate[0].w,
        job.midstate[1].x, job.midstate[1].y, job.midstate[1].z, job.midstate[1].w,
    );
    compress(&state, &block);

    // The second hash, of the first one's 256 bits.
    for (var i = 0u; i < 8u; i++) {
        block[i] = state[i];
    }
    block[8] = 0x80000000u;
    for (var i = 9u; i < 15u; i++) {
        block[i] = 0u;
    }
    block[15] = 256u;
    state = INITIAL;
    compress(&state, &block);

    if (state[7] & job.tail.w) == 0u {
        let place = atomicAdd(&results.count, 1u);
        if place < 63u {
            results.hits[place] = index;
        }
    }
}

// One application of the compression function. The schedule lives in a window of 16 words: the block itself.
fn compress(state: ptr<function, array<u32, 8>>, block: ptr<function, array<u32, 16>>) {
    var a = (*state)[0];
    var b = (*state)[1];
    var c = (*state)[2];
    var d = (*state)[3];
    var e = (*state)[4];
    var f = (*state)[5];
    var g = (*state)[6];
    var h = (*state)[7];
    for (var t = 0u; t < 64u; t++) {
        if t >= 16u {
            let w15 = (*block)[(t + 1u) & 15u];
            let w7 = (*block)[(t + 9u) & 15u];
            let w2 = (*block)[(t + 14u) & 15u];
            let small0 = rotate(w15, 7u) ^ rotate(w15, 18u) ^ (w15 >> 3u);
            let small1 = rotate(w2, 17u) ^ rotate(w2, 19u) ^ (w2 >> 10u);
            (*block)[t & 15u] += small1 + w7 + small0;
        }
        let big1 = rotate(e, 6u) ^ rotate(e, 11u) ^ rotate(e, 25u);
        let choice = (e & f) ^ (~e & g);
        let first = h + big1 + choice + ROUND[t] + (*block)[t & 15u];
        let big0 = rotate(a, 2u) ^ rotate(a, 13u) ^ rotate(a, 22u);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + big0 + majority;
    }
    (*state)[0] += a;
    (*state)[1] += b;
    (*state)[2] += c;
    (*state)[3] += d;
    (*state)[4] += e;
    (*state)[5] += f;
    (*state)[6] += g;
    (*state)[7] += h;
}

// Rotation to the right.
fn rotate(word: u32, bits: u32) -> u32 {
    return (word >> bits) | (word << (32u - bits));
}

// SHA-256 reads the header's bytes as big-endian words; the nonce stands there little-endian.
fn swap_bytes(word: u32) -> u32 {
    return (word >> 24u) | ((word >> 8u) & 0xff00u) | ((word << 8u) & 0xff0000u) | (word << 24u);
}
