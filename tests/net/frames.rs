//! Frames at and past their bounds, cut, and cancelled in the middle.

use bytes::Bytes;
use tidegate::limits::{FRAME_BYTES_MAX, SEND_QUEUE_BYTES_MAX};
use tidegate::net::{NetError, TransportOptions};

use crate::common::{client, key, pair, server, stream, within};
use crate::raw_peer::{self, Claim};

fn patterned(bytes: usize) -> Bytes {
    (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// Polls a future once; `None` where it is not ready, and it is dropped then.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        it = future => Some(it),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn frames_of_no_one_and_most_bytes_pass_in_order() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    let ((mut send, mut answer), (mut reply, mut receive)) = stream(&made, &taken).await;
    let frames = [0, 1, FRAME_BYTES_MAX, 0, 1_199, 70_000].map(patterned);

    let outgoing = frames.clone();
    let sending = tokio::spawn(async move {
        for frame in outgoing {
            send.send(frame).await.unwrap();
        }
        send.finish().await.unwrap();
        send.finish().await.unwrap();
        assert!(matches!(send.send("more").await, Err(NetError::StreamFinished)));
    });
    for frame in frames {
        assert!(within(receive.next()).await.unwrap().unwrap() == frame, "{} bytes", frame.len());
    }
    assert!(within(receive.next()).await.unwrap().is_none());
    assert!(within(receive.next()).await.unwrap().is_none(), "it stays finished");
    within(sending).await.unwrap();

    // The other direction is open still.
    within(reply.send("bye")).await.unwrap();
    assert_eq!(within(answer.next()).await.unwrap().unwrap(), "bye");
}

#[tokio::test]
async fn what_passes_a_stream_is_counted_on_both_sides_with_its_lengths() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    let ((mut send, _answer), (_reply, mut receive)) = stream(&made, &taken).await;
    // `hello`, whose length takes a byte.
    assert_eq!((send.sent_bytes(), receive.received_bytes()), (6, 6));
    within(send.send(patterned(300))).await.unwrap();
    within(receive.next()).await.unwrap();
    assert_eq!((send.sent_bytes(), receive.received_bytes()), (308, 308));
    send.queue(patterned(1)).unwrap();
    assert_eq!(send.sent_bytes(), 308, "it is queued");
    within(send.finish()).await.unwrap();
    assert_eq!(send.sent_bytes(), 310);

    let (handshake, all) = (made.handshake(), made.stats());
    assert!(handshake.sent_bytes > 1_000 && handshake.received_bytes > 500, "{handshake:?}");
    assert!(all.sent_bytes >= handshake.sent_bytes + 310, "{handshake:?} {all:?}");
}

#[tokio::test]
async fn a_frame_over_the_bound_is_not_sent_and_the_stream_stays_in_use() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    let ((mut send, _answer), (_reply, mut receive)) = stream(&made, &taken).await;
    let bytes = FRAME_BYTES_MAX + 1;
    let error = within(send.send(patterned(bytes))).await.unwrap_err();
    assert!(matches!(error, NetError::FrameTooLarge { bytes: found, .. } if found == bytes));
    assert!(error.to_string().contains("over the bound of 4194304"), "{error}");
    within(send.send("next")).await.unwrap();
    assert_eq!(within(receive.next()).await.unwrap().unwrap(), "next");
}

/// What the server's receiver makes of these bytes, when the stream ends after them.
async fn received(bytes: &[u8]) -> Result<Option<Bytes>, NetError> {
    let (server, _) = server();
    let to = server.local_addr().unwrap();
    let honest = key(2);
    let claim = Claim::honest(&honest);
    let take = async { server.accept().await.unwrap().handshake().await.unwrap() };
    let (made, taken) = within(async { tokio::join!(raw_peer::connect(&claim, to), take) }).await;
    let (_endpoint, connection) = made.unwrap();
    let (mut send, _answer) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send.finish().unwrap();
    let (_reply, mut receive) = within(taken.accept_stream()).await.unwrap();
    within(receive.next()).await
}

#[tokio::test]
async fn an_announced_frame_over_the_bound_is_refused_at_its_length() {
    let bytes = FRAME_BYTES_MAX + 1;
    let got = received(&postcard::to_stdvec(&bytes).unwrap()).await;
    assert!(matches!(got, Err(NetError::FrameTooLarge { bytes: b, .. }) if b == bytes), "{got:?}");
    let got = received(&[0xff; 100]).await;
    assert!(matches!(got, Err(NetError::FrameTooLarge { bytes: usize::MAX, .. })), "{got:?}");
}

#[tokio::test]
async fn a_cut_frame_says_how_much_is_missing() {
    let got = received(&[10, 1, 2, 3]).await;
    assert!(matches!(got, Err(NetError::FrameTruncated { got: 4, expected: 11 })), "{got:?}");
    // 130 in two bytes; and the first of them alone.
    let got = received(&[0x82, 1, 2, 3]).await;
    assert!(matches!(got, Err(NetError::FrameTruncated { got: 4, expected: 132 })), "{got:?}");
    let got = received(&[0x82]).await;
    assert!(matches!(got, Err(NetError::FrameTruncated { got: 1, expected: 2 })), "{got:?}");
    let whole = received(&[3, 1, 2, 3]).await;
    assert_eq!(whole.unwrap().unwrap(), &[1, 2, 3][..]);
    let whole = received(&[&[0x82, 1][..], &[7; 130]].concat()).await;
    assert_eq!(whole.unwrap().unwrap(), &[7; 130][..]);
}

#[tokio::test]
async fn cancelled_reading_loses_nothing() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    let ((mut send, _answer), (_reply, mut receive)) = stream(&made, &taken).await;
    let frame = patterned(300_000);
    let outgoing = frame.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..5 {
            send.send(outgoing.clone()).await.unwrap();
        }
        send
    });
    let mut cancelled = 0;
    for _ in 0..5 {
        let got = within(async {
            loop {
                if let Some(frame) = poll_once(receive.next()).await {
                    break frame.unwrap().unwrap();
                }
                cancelled += 1;
                tokio::task::yield_now().await;
            }
        });
        assert!(got.await == frame);
    }
    assert!(cancelled > 5, "{cancelled}");
    drop(within(sending).await.unwrap());
}

#[tokio::test]
async fn cancelled_sending_goes_on_where_it_stopped() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    let ((mut send, _answer), (_reply, mut receive)) = stream(&made, &taken).await;
    let first = patterned(FRAME_BYTES_MAX);
    // Nothing runs in between on this single thread: it must stop within the frame.
    send.queue("zeroth").unwrap();
    assert!(poll_once(send.send(first.clone())).await.is_none());
    assert!(send.queued_bytes() > 0);
    let sending = tokio::spawn(async move {
        send.send("second").await.unwrap();
        assert_eq!(send.queued_bytes(), 0);
        send
    });
    assert_eq!(within(receive.next()).await.unwrap().unwrap(), "zeroth");
    assert!(within(receive.next()).await.unwrap().unwrap() == first);
    assert_eq!(within(receive.next()).await.unwrap().unwrap(), "second");
    drop(within(sending).await.unwrap());
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    let ((mut send, _answer), _far) = stream(&made, &taken).await;
    let frame = patterned(FRAME_BYTES_MAX / 2);
    let mut count = 0;
    let error = loop {
        match send.queue(frame.clone()) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(count, SEND_QUEUE_BYTES_MAX / (frame.len() + 4));
    assert!(matches!(error, NetError::SendQueueFull { .. }), "{error}");
}
