#![allow(clippy::all, clippy::pedantic, clippy::unwrap_used)]
use std::sync::Arc;
use std::time::{Duration, Instant};
use rminer_algos::registry::SHA256D;
use rminer_algos::{Target, Work};
use rminer_shaders::choose::Picks;
use rminer_shaders::{Options, Runner, Variant, adapters, variants};
fn cpu() -> f64 { let t=std::fs::read_to_string("/proc/self/stat").unwrap(); let f:Vec<&str>=t.rsplit_once(')').unwrap().1.split_whitespace().collect(); (f[11].parse::<f64>().unwrap()+f[12].parse::<f64>().unwrap())/100.0 }
fn main() {
    let adapter = adapters::list(true).usable.into_iter().next().unwrap();
    let h1 = || variants("sha256d").into_iter().find(|v| v.name=="h1").unwrap();
    let ret = "    if index >= parameters.count { return; }\n";
    assert!(h1().text.contains(ret));
    let late = |t: String| t.replace(ret, "").replace(") == 0u { report(index); }", ") == 0u && index < parameters.count { report(index); }");
    let hoist = |t: String, n: u32| { let mut lets=String::new(); let mut t=t; for i in 0..n { t=t.replace(&format!("job[{i}u]"), &format!("job{i}")).replace(&format!("job[{i}]"), &format!("job{i}")); lets+=&format!("    let job{i} = job[{i}u];\n"); } t.replace("    let invocation =", &format!("{lets}    let invocation =")) };
    let n = h1().job_vec4s;
    let mut list: Vec<Variant> = Vec::new();
    let mut add = |name: &str, t: String| { let mut v=h1(); v.name=name.into(); v.text=t; list.push(v); };
    add("h1", h1().text);
    add("late", late(h1().text));
    add("hoist", hoist(h1().text, n));
    add("late+hoist", hoist(late(h1().text), n));
    println!("{}", list[3].text.chars().take(1800).collect::<String>());
    let options = |name: &str| Options { picks: Picks::Named(name.into()), patience: Duration::from_secs(120), fixed_hashes: Some(1<<18), planted_every: 0, ..Options::default() };
    let work = { let w=(SHA256D.sample)(1).unwrap(); Arc::new(Work::new(w.blob(), w.nonce_field(), None).unwrap()) };
    let mut t=[0;32]; t[26]=1; let target=Target::from_le_bytes(t).unwrap();
    let mut rs: Vec<(String,Runner,Vec<f64>,u64)> = list.iter().map(|v| { let mut r=Runner::open(&adapter,&SHA256D,vec![v.clone()],options(&v.name)).unwrap(); r.load(&work,target).unwrap(); (v.name.clone(),r,vec![],0)}).collect();
    let rounds: usize = std::env::args().nth(1).map_or(7, |a| a.parse().unwrap());
    for _ in 0..rounds { for (_,r,s,next) in &mut rs { let (c,t0)=(cpu(),Instant::now()); let mut done=0; while cpu()-c<0.8 && t0.elapsed().as_secs()<10 { let d=r.scan(*next..*next+(1<<20),&||false,&mut Vec::new()).unwrap(); *next+=d; done+=d; } s.push(done as f64/(cpu()-c)/1e6); } }
    for (n,_,s,_) in &mut rs { s.sort_by(f64::total_cmp); println!("{n:>12}: median {:.2} best {:.2} least {:.2}", s[s.len()/2], s[s.len()-1], s[0]); }
}
