//! t
use crate::deployment::Deployment;
use antiphon_testkit::servers;
use std::time::Instant;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timing() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 4);
    let t = Instant::now();
    let a = deployment.process("a").await;
    println!("open {:?}", t.elapsed());
    let t = Instant::now();
    a.log.caught_up().await.unwrap();
    println!("caught {:?}", t.elapsed());
    let t = Instant::now();
    a.own(0, 1).await;
    println!("own {:?}", t.elapsed());
    let t = Instant::now();
    a.own(1, 1).await;
    println!("own {:?}", t.elapsed());
    let t = Instant::now();
    a.log.close().await.unwrap();
    println!("close {:?}", t.elapsed());
    let t = Instant::now();
    drop(a);
    println!("drop {:?}", t.elapsed());
    let t = Instant::now();
    let a = deployment.process("a").await;
    println!("open {:?}", t.elapsed());
    let t = Instant::now();
    deployment.end([a]).await;
    println!("end {:?}", t.elapsed());
}
