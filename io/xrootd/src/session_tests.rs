use super::*;

fn frame(stream: u16, status: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(stream.to_be_bytes());
    frame.extend(status.to_be_bytes());
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(body);
    frame
}

/// All that happens when `bytes` come, one byte at a time.
fn hear(session: &mut Session<char>, bytes: &[u8]) -> Result<Vec<(char, Outcome)>, Violation> {
    let mut buffer = BytesMut::new();
    let mut heard = Vec::new();
    for byte in bytes {
        buffer.extend_from_slice(&[*byte]);
        loop {
            match session.step(&mut buffer)? {
                Step::Answered(token, outcome) => heard.push((token, outcome)),
                Step::Heard | Step::Orphan(_) => {}
                Step::Needs(needs) => {
                    assert!(needs > buffer.len());
                    break;
                }
            }
        }
    }
    Ok(heard)
}

fn read(length: u64) -> Request {
    Request::read([0; 4], &(0..length), 0)
}

fn done(bytes: &'static [u8]) -> Outcome {
    Outcome::Done(Answer { parts: vec![Bytes::from_static(bytes)], pages: Vec::new() })
}

#[test]
fn answers_find_their_requests_in_any_order() {
    let mut session = Session::default();
    let (a, _) = session.submit(&read(2), 'a').unwrap();
    let (b, _) = session.submit(&read(2), 'b').unwrap();
    let bytes = [frame(b.stream, 0, b"BB"), frame(a.stream, 0, b"AA")].concat();
    assert_eq!(hear(&mut session, &bytes).unwrap(), [('b', done(b"BB")), ('a', done(b"AA"))]);
    assert!(session.is_idle());
}

#[test]
fn an_answer_in_pieces_is_one() {
    let mut session = Session::default();
    let (a, _) = session.submit(&read(4), 'a').unwrap();
    let bytes =
        [frame(a.stream, 4000, b"12"), frame(a.stream, 4000, b""), frame(a.stream, 0, b"34")].concat();
    let Ok([('a', Outcome::Done(answer))]) =
        hear(&mut session, &bytes).map(|h| <[_; 1]>::try_from(h).unwrap())
    else {
        panic!("no answer")
    };
    assert_eq!(answer.whole(), &b"1234"[..]);
}

#[test]
fn the_id_of_an_abandoned_request_stays_taken_until_its_answer_has_come() {
    let mut session = Session::default();
    let (a, _) = session.submit(&read(2), 'a').unwrap();
    session.abandon(a);
    for _ in 0..65_534 {
        assert_ne!(session.submit(&read(2), 'b').unwrap().0.stream, a.stream);
    }
    assert!(session.submit(&read(2), 'c').is_none());
    assert_eq!(hear(&mut session, &frame(a.stream, 0, b"AA")).unwrap(), []);
    let (again, _) = session.submit(&read(2), 'c').unwrap();
    assert_eq!(again.stream, a.stream);
    // Whoever gave the first up late does not give up the second.
    session.abandon(a);
    assert_eq!(hear(&mut session, &frame(again.stream, 0, b"CC")).unwrap(), [('c', done(b"CC"))]);
}

#[test]
fn a_promised_answer_comes_by_attention() {
    let mut session = Session::default();
    let (a, _) = session.submit(&read(2), 'a').unwrap();
    assert!(session.is_owed());
    assert_eq!(hear(&mut session, &frame(a.stream, 4006, &[0, 0, 0, 9])).unwrap(), []);
    assert!(!session.is_owed());
    let inner = [&5008_u32.to_be_bytes()[..], &[0; 4], &frame(a.stream, 0, b"AA")].concat();
    assert_eq!(hear(&mut session, &frame(0, 4001, &inner)).unwrap(), [('a', done(b"AA"))]);
    let message = [&5002_u32.to_be_bytes()[..], b"going down"].concat();
    assert_eq!(hear(&mut session, &frame(0, 4001, &message)).unwrap(), []);
}

#[test]
fn refusals_waits_and_redirects() {
    let mut session = Session::default();
    let mut answer = |status, body: &[u8]| {
        let (a, _) = session.submit(&read(2), 'a').unwrap();
        hear(&mut session, &frame(a.stream, status, body)).unwrap().pop().unwrap().1
    };
    assert_eq!(answer(4005, &[0, 0, 0, 5, b'x']), Outcome::Wait(Duration::from_secs(5)));
    let message = "no such file".to_owned();
    assert_eq!(
        answer(4003, b"\0\0\x0b\xc3no such file\0"),
        Outcome::Failed { code: ErrorCode::NotFound, message }
    );
    let redirect = Redirect::Host { host: "h".to_owned(), port: 1, opaque: String::new() };
    assert_eq!(answer(4004, b"\0\0\0\x01h"), Outcome::Redirect(redirect));
    assert_eq!(answer(4002, b"more"), Outcome::More(Bytes::from_static(b"more")));
}

#[test]
fn nonsense_ends_the_connection_and_takes_no_memory() {
    type Bytes = dyn Fn(u16) -> Vec<u8>;
    let cases: [(&str, &Bytes); 9] = [
        ("which was not made", &|a| frame(a + 1, 0, b"AA")),
        ("unknown status 77", &|a| frame(a, 77, b"AA")),
        ("an answer of 3 bytes where at most 2", &|a| frame(a, 0, b"AAA")),
        ("an answer of 4294967295 bytes", &|a| [&a.to_be_bytes()[..], &[0, 0, 255, 255, 255, 255]].concat()),
        ("an answer of 2147483647 bytes", &|_| [0, 0, 15, 161, 127, 255, 255, 255].to_vec()),
        ("a redirect that makes no sense", &|a| frame(a, 4004, b"\0\0\0\x01")),
        ("an error that makes no sense", &|a| frame(a, 4003, b"\0")),
        ("does not agree with its checksum", &|a| frame(a, 4007, &[0; 24])),
        ("a late answer of status 4001", &|a| {
            frame(0, 4001, &[&5008_u32.to_be_bytes()[..], &[0; 4], &frame(a, 4001, b"")].concat())
        }),
    ];
    for (why, bytes) in cases {
        let mut session = Session::default();
        let (a, _) = session.submit(&read(2), 'a').unwrap();
        let violation = hear(&mut session, &bytes(a.stream)).unwrap_err().0;
        assert!(violation.contains(why), "{violation}");
    }
}

/// Laid out by hand from `ServerResponseBody_Status` and `ServerResponseBody_pgRead`.
fn pages(stream: u16, code: u8, last: bool, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut about = Vec::new();
    about.extend(stream.to_be_bytes());
    about.extend([code, u8::from(!last), 0, 0, 0, 0]);
    about.extend((data.len() as u32).to_be_bytes());
    about.extend(offset.to_be_bytes());
    let body = [&crc32c::crc32c(&about).to_be_bytes()[..], &about].concat();
    [frame(stream, 4007, &body), data.to_vec()].concat()
}

#[test]
fn pages_come_with_their_place() {
    let mut session = Session::default();
    let request = Request::page_read([0; 4], &(0..8), 0, false);
    let (a, _) = session.submit(&request, 'a').unwrap();
    let bytes = [pages(a.stream, 30, false, 0, b"SUM1data"), pages(a.stream, 30, true, 4, b"more")].concat();
    let Ok([('a', Outcome::Done(answer))]) =
        hear(&mut session, &bytes).map(|h| <[_; 1]>::try_from(h).unwrap())
    else {
        panic!("no answer")
    };
    assert_eq!(answer.pages, [(0, BytesMut::from(&b"SUM1data"[..])), (4, BytesMut::from(&b"more"[..]))]);
    let (a, _) = session.submit(&request, 'a').unwrap();
    let violation = hear(&mut session, &pages(a.stream, 26, true, 0, b"")).unwrap_err().0;
    assert!(violation.contains("for another request"), "{violation}");
    let mut session = Session::default();
    let (a, _) = session.submit(&request, 'a').unwrap();
    let violation = hear(&mut session, &pages(a.stream, 30, true, 0, &[0; 13])).unwrap_err().0;
    assert!(violation.contains("13 bytes where at most 12"), "{violation}");
}

#[test]
fn a_file_that_is_opened_too_late_is_to_be_closed() {
    let mut session = Session::default();
    let open = || Request::open("/a", crate::wire::request::OpenFlags(0), 0);
    let (a, _) = session.submit(&open(), 'a').unwrap();
    session.abandon(a);
    let mut buffer = BytesMut::from(&frame(a.stream, 0, b"HNDL\x00\x00\x00\x00\x00\x00\x00\x001 2 16 3")[..]);
    assert!(matches!(session.step(&mut buffer), Ok(Step::Orphan(handle)) if handle == *b"HNDL"));
    let (b, _) = session.submit(&open(), 'b').unwrap();
    session.abandon(b);
    let mut buffer = BytesMut::from(&frame(b.stream, 4003, b"\0\0\x0b\xc3no\0")[..]);
    assert!(matches!(session.step(&mut buffer), Ok(Step::Heard)));
}
