;; Does, for a request of /LETTER..., what the letter stands for: see $handle.
(component $guest
  @prelude@
  (import "wasi:http/outgoing-handler@0.2.6" (instance $outgoing
    (alias outer $guest $outgoing-request (type $oreq'))
    (export "outgoing-request" (type $oreq (eq $oreq')))
    (alias outer $guest $request-options (type $options'))
    (export "request-options" (type $options (eq $options')))
    (alias outer $guest $future-incoming-response (type $fres'))
    (export "future-incoming-response" (type $fres (eq $fres')))
    (alias outer $guest $error-code (type $ec'))
    (export "error-code" (type $ec (eq $ec')))
    (export "handle" (func (param "request" (own $oreq)) (param "options" (option (own $options)))
      (result (result (own $fres) (error $ec)))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer $guest $pollable (type $p'))
    (export "pollable" (type $p (eq $p')))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:config/store@0.2.0-draft" (instance $config
    (type $error' (variant (case "upstream" string) (case "io" string)))
    (export "error" (type $error (eq $error')))
    (export "get" (func (param "key" string) (result (result (option string) (error $error)))))))
  (import "wasi:logging/logging" (instance $logging
    (type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer $guest $output-stream (type $out'))
    (export "output-stream" (type $out (eq $out')))
    (export "get-stdout" (func (result (own $out))))))

  (core func $send (canon lower (func $outgoing "handle") (memory $memory) (realloc $realloc)))
  (core func $after (canon lower (func $clock "subscribe-duration")))
  (core func $config-get (canon lower (func $config "get") (memory $memory) (realloc $realloc)))
  (core func $log (canon lower (func $logging "log") (memory $memory)))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core instance $more
    (export "send" (func $send)) (export "after" (func $after)) (export "config-get" (func $config-get))
    (export "log" (func $log)) (export "get-stdout" (func $get-stdout)))

  (core module $main
    (import "more" "send" (func $send (param i32 i32 i32 i32)))
    (import "more" "after" (func $after (param i64) (result i32)))
    (import "more" "config-get" (func $config-get (param i32 i32 i32)))
    (import "more" "log" (func $log (param i32 i32 i32 i32 i32)))
    (import "more" "get-stdout" (func $get-stdout (result i32)))
    @core@
    (data (i32.const 2048) "hello from the probe\n")
    (data (i32.const 2100) "content-length")
    (data (i32.const 2120) "5")
    (data (i32.const 2130) ": ")
    (data (i32.const 2132) "\n")
    (data (i32.const 2140) "a line on stdout\n")
    (data (i32.const 2160) "connection")
    (data (i32.const 2180) "refused: ")
    (data (i32.const 2200) "x-twice")
    (data (i32.const 2210) "x y")

    ;; e: the body, back as it comes
    (func $echo (param $request i32) (param $outparam i32)
      (local $in i32)
      (local.set $in (call $stream-of (call $incoming (local.get $request))))
      (call $respond (local.get $outparam) (call $new-fields) (i32.const 200))
      (drop (call $pump (local.get $in) (global.get $out)))
      (call $finish))

    ;; T: the body and its trailers, back as they come
    (func $trailers (param $request i32) (param $outparam i32)
      (local $body i32) (local $in i32) (local $future i32)
      (local.set $body (call $incoming (local.get $request)))
      (local.set $in (call $stream-of (local.get $body)))
      (call $respond (local.get $outparam) (call $new-fields) (i32.const 200))
      (drop (call $pump (local.get $in) (global.get $out)))
      (call $drop-in (local.get $in))
      (local.set $future (call $finish-in (local.get $body)))
      (call $block (call $subscribe-trailers (local.get $future)))
      (call $get-trailers (local.get $future) (i32.const 128))
      (call $drop-out (global.get $out))
      (call $finish-out (global.get $body) (i32.load8_u (i32.const 152)) (i32.load (i32.const 156)) (i32.const 64)))

    ;; H: the fields of the request, one a line
    (func $list (param $request i32) (param $outparam i32)
      (local $at i32) (local $count i32)
      (call $entries (call $headers (local.get $request)) (i32.const 128))
      (local.set $at (i32.load (i32.const 128)))
      (local.set $count (i32.load (i32.const 132)))
      (call $respond (local.get $outparam) (call $new-fields) (i32.const 200))
      (block $done (loop $more
        (br_if $done (i32.eqz (local.get $count)))
        (call $say (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
        (call $say (i32.const 2130) (i32.const 2))
        (call $say (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)))
        (call $say (i32.const 2132) (i32.const 1))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $more)))
      (call $finish))

    ;; lN: N bytes of a body that is declared to have 5
    (func $declared (param $outparam i32)
      (local $fields i32)
      (local.set $fields (call $new-fields))
      (call $append (local.get $fields) (i32.const 2100) (i32.const 14) (i32.const 2120) (i32.const 1) (i32.const 16))
      (call $respond (local.get $outparam) (local.get $fields) (i32.const 200))
      (call $say (i32.const 2048) (i32.sub (i32.load8_u offset=2 (global.get $path-at)) (i32.const 48)))
      (call $finish))

    ;; f: fields that a component may not set are refused (1: forbidden, 0: syntax), one may come twice
    (func $fields (param $outparam i32)
      (local $fields i32)
      (local.set $fields (call $new-fields))
      (call $append (local.get $fields) (i32.const 2200) (i32.const 7) (i32.const 2120) (i32.const 1) (i32.const 16))
      (call $append (local.get $fields) (i32.const 2200) (i32.const 7) (i32.const 2048) (i32.const 5) (i32.const 16))
      (call $append (local.get $fields) (i32.const 2160) (i32.const 10) (i32.const 2120) (i32.const 1) (i32.const 24))
      (call $append (local.get $fields) (i32.const 2210) (i32.const 3) (i32.const 2120) (i32.const 1) (i32.const 40))
      (i32.store (i32.const 512) (i32.load8_u (i32.const 24)))
      (i32.store (i32.const 516) (i32.load8_u (i32.const 25)))
      (i32.store (i32.const 520) (i32.load8_u (i32.const 40)))
      (i32.store (i32.const 524) (i32.load8_u (i32.const 41)))
      (call $respond (local.get $outparam) (local.get $fields) (i32.const 200))
      (call $say-number (i64.load32_u (i32.const 512)))
      (call $say-number (i64.load32_u (i32.const 516)))
      (call $say-number (i64.load32_u (i32.const 520)))
      (call $say-number (i64.load32_u (i32.const 524)))
      (call $finish))

    ;; pAUTHORITY/PATH: fetches it over HTTP and passes the answer on; with the method and the body of the request
    (func $proxy (param $request i32) (param $outparam i32)
      (local $made i32) (local $body i32) (local $out i32) (local $future i32) (local $end i32) (local $size i32)
      (local $in i32) (local $response i32)
      (local.set $made (call $new-request (call $new-fields)))
      (call $method (local.get $request) (i32.const 128))
      (drop (call $set-method (local.get $made) (i32.load8_u (i32.const 128)) (i32.load (i32.const 132))
        (i32.load (i32.const 136))))
      (local.set $end (i32.const 2))
      (block $found (loop $more
        (br_if $found (i32.eq (i32.load8_u (i32.add (global.get $path-at) (local.get $end))) (i32.const 47)))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $more)))
      (drop (call $set-scheme (local.get $made) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
      (drop (call $set-authority (local.get $made) (i32.const 1) (i32.add (global.get $path-at) (i32.const 2))
        (i32.sub (local.get $end) (i32.const 2))))
      (drop (call $set-path (local.get $made) (i32.const 1) (i32.add (global.get $path-at) (local.get $end))
        (i32.sub (global.get $path-size) (local.get $end))))
      (if (i32.load8_u (i32.const 128)) (then ;; any method but GET
        (call $request-body (local.get $made) (i32.const 16))
        (local.set $body (i32.load (i32.const 20)))))
      (call $send (local.get $made) (i32.const 0) (i32.const 0) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then (unreachable)))
      (local.set $future (i32.load (i32.const 264)))
      (if (local.get $body) (then
        (call $body-write (local.get $body) (i32.const 16))
        (local.set $out (i32.load (i32.const 20)))
        (drop (call $pump (call $stream-of (call $incoming (local.get $request))) (local.get $out)))
        (call $drop-out (local.get $out))
        (call $finish-out (local.get $body) (i32.const 0) (i32.const 0) (i32.const 64))))
      (call $block (call $subscribe-response (local.get $future)))
      (call $get-response (local.get $future) (i32.const 256))
      (if (i32.load8_u (i32.const 272)) (then ;; the number of the error code
        (local.set $size (i32.load8_u (i32.const 280)))
        (call $respond (local.get $outparam) (call $new-fields) (i32.const 502))
        (call $say (i32.const 2180) (i32.const 9))
        (call $say-number (i64.extend_i32_u (local.get $size)))
        (call $finish)
        (return)))
      (local.set $response (i32.load (i32.const 280)))
      (call $respond (local.get $outparam) (call $new-fields) (call $status-in (local.get $response)))
      (call $consume-response (local.get $response) (i32.const 16))
      (local.set $in (call $stream-of (i32.load (i32.const 20))))
      (if (call $pump (local.get $in) (global.get $out))
        (then (call $drop-out (global.get $out)) (call $drop-body (global.get $body)))
        (else (call $finish))))

    ;; kKEY: what the configuration holds
    (func $configured (param $outparam i32)
      (call $config-get (i32.add (global.get $path-at) (i32.const 2)) (i32.sub (global.get $path-size) (i32.const 2))
        (i32.const 128))
      (call $answer (local.get $outparam) (select (i32.const 200) (i32.const 404) (i32.load8_u (i32.const 132)))
        (i32.load (i32.const 136)) (select (i32.load (i32.const 140)) (i32.const 0) (i32.load8_u (i32.const 132)))))

    ;; cNNN: a status, with a body
    (func $status (param $outparam i32)
      (local $value i32) (local $at i32)
      (local.set $at (i32.const 2))
      (loop $more
        (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10))
          (i32.sub (i32.load8_u (i32.add (global.get $path-at) (local.get $at))) (i32.const 48))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $at) (i32.const 5))))
      (call $answer (local.get $outparam) (local.get $value) (i32.const 2048) (i32.const 21)))

    (func (export "handle") (param $request i32) (param $outparam i32)
      (local $letter i32)
      (call $read-path (local.get $request))
      (local.set $letter (i32.load8_u offset=1 (global.get $path-at)))
      (if (i32.eq (local.get $letter) (i32.const 101)) ;; e
        (then (call $echo (local.get $request) (local.get $outparam)) (return)))
      (if (i32.eq (local.get $letter) (i32.const 84)) ;; T
        (then (call $trailers (local.get $request) (local.get $outparam)) (return)))
      (if (i32.eq (local.get $letter) (i32.const 72)) ;; H
        (then (call $list (local.get $request) (local.get $outparam)) (return)))
      (if (i32.eq (local.get $letter) (i32.const 112)) ;; p
        (then (call $proxy (local.get $request) (local.get $outparam)) (return)))
      (if (i32.eq (local.get $letter) (i32.const 108)) (then (call $declared (local.get $outparam)) (return))) ;; l
      (if (i32.eq (local.get $letter) (i32.const 102)) (then (call $fields (local.get $outparam)) (return))) ;; f
      (if (i32.eq (local.get $letter) (i32.const 99)) (then (call $status (local.get $outparam)) (return))) ;; c
      (if (i32.eq (local.get $letter) (i32.const 107)) (then (call $configured (local.get $outparam)) (return))) ;; k
      (if (i32.eq (local.get $letter) (i32.const 115)) (then (loop $for-ever (br $for-ever)))) ;; s: spins
      (if (i32.eq (local.get $letter) (i32.const 103)) ;; g: takes memory until there is none
        (then (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)))
      (if (i32.eq (local.get $letter) (i32.const 116)) (then (unreachable))) ;; t: traps
      (if (i32.eq (local.get $letter) (i32.const 110)) (then (return))) ;; n: gives no response
      (if (i32.eq (local.get $letter) (i32.const 120)) (then ;; x: an error code in place of a response
        (call $set-outparam (local.get $outparam) (i32.const 1) (i32.const 35)
          (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (return)))
      (if (i32.eq (local.get $letter) (i32.const 98)) (then ;; b: breaks off within a large body
        (call $respond (local.get $outparam) (call $new-fields) (i32.const 200))
        (call $say (i32.const 65536) (i32.const 4096)) (call $say (i32.const 65536) (i32.const 4096))
        (call $say (i32.const 65536) (i32.const 4096)) (call $say (i32.const 65536) (i32.const 4096))
        (call $say (i32.const 65536) (i32.const 4096))
        (unreachable)))
      (if (i32.eq (local.get $letter) (i32.const 100)) (then ;; d: drops the body before it is finished
        (call $respond (local.get $outparam) (call $new-fields) (i32.const 200))
        (call $say (i32.const 2048) (i32.const 5))
        (call $drop-out (global.get $out))
        (call $drop-body (global.get $body))
        (return)))
      (if (i32.eq (local.get $letter) (i32.const 119)) (then ;; w: waits for 0.2 s first
        (call $block (call $after (i64.const 200000000)))))
      (if (i32.eq (local.get $letter) (i32.const 111)) (then ;; o: writes a line to stdout
        (call $write (call $get-stdout) (i32.const 2140) (i32.const 17) (i32.const 32))))
      (if (i32.eq (local.get $letter) (i32.const 76)) (then ;; L: logs its path as a warning
        (call $log (i32.const 3) (i32.const 2048) (i32.const 5) (global.get $path-at) (global.get $path-size))))
      (call $answer (local.get $outparam) (i32.const 200) (i32.const 2048) (i32.const 21)))
  )
  (core instance $main (instantiate $main
    (with "libc" (instance $libc)) (with "api" (instance $api)) (with "more" (instance $more))))
  (func $handle (param "request" (own $incoming-request)) (param "response-out" (own $response-outparam))
    (canon lift (core func $main "handle") (memory $memory) (realloc $realloc)))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.6" (instance $handler))
)
