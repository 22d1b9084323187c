;; Counts requests in a key-value store: /iKEY adds one and answers with the number, /gKEY answers with the value.
(component $guest
  @prelude@
  (import "wasi:keyvalue/store@0.2.0-draft" (instance $store
    (export "bucket" (type $bucket (sub resource)))
    (type $error' (variant (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $error')))
    (export "open" (func (param "identifier" string) (result (result (own $bucket) (error $error)))))
    (export "[method]bucket.get" (func (param "self" (borrow $bucket)) (param "key" string)
      (result (result (option (list u8)) (error $error)))))))
  (alias export $store "bucket" (type $bucket))
  (alias export $store "error" (type $error-of-store))
  (import "wasi:keyvalue/atomics@0.2.0-draft" (instance $atomics
    (alias outer $guest $bucket (type $bucket'))
    (export "bucket" (type $bucket (eq $bucket')))
    (alias outer $guest $error-of-store (type $error'))
    (export "error" (type $error (eq $error')))
    (export "increment" (func (param "bucket" (borrow $bucket)) (param "key" string) (param "delta" u64)
      (result (result u64 (error $error)))))))
  (core func $open (canon lower (func $store "open") (memory $memory) (realloc $realloc)))
  (core func $get (canon lower (func $store "[method]bucket.get") (memory $memory) (realloc $realloc)))
  (core func $increment (canon lower (func $atomics "increment") (memory $memory) (realloc $realloc)))
  (core instance $more
    (export "open" (func $open)) (export "get" (func $get)) (export "increment" (func $increment)))
  (core module $main
    (import "more" "open" (func $open (param i32 i32 i32)))
    (import "more" "get" (func $get (param i32 i32 i32 i32)))
    (import "more" "increment" (func $increment (param i32 i32 i32 i64 i32)))
    @core@
    (data (i32.const 2048) "counts")
    (func (export "handle") (param $request i32) (param $outparam i32)
      (local $bucket i32)
      (call $read-path (local.get $request))
      (call $open (i32.const 2048) (i32.const 6) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then
        (call $answer (local.get $outparam) (i32.const 503) (i32.load (i32.const 264)) (i32.load (i32.const 268)))
        (return)))
      (local.set $bucket (i32.load (i32.const 260)))
      (if (i32.eq (i32.load8_u offset=1 (global.get $path-at)) (i32.const 103)) (then ;; g
        (call $get (local.get $bucket) (i32.add (global.get $path-at) (i32.const 2))
          (i32.sub (global.get $path-size) (i32.const 2)) (i32.const 256))
        (call $answer (local.get $outparam) (select (i32.const 200) (i32.const 404) (i32.load8_u (i32.const 260)))
          (i32.load (i32.const 264)) (select (i32.load (i32.const 268)) (i32.const 0) (i32.load8_u (i32.const 260))))
        (return)))
      (call $increment (local.get $bucket) (i32.add (global.get $path-at) (i32.const 2))
        (i32.sub (global.get $path-size) (i32.const 2)) (i64.const 1) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then
        (call $answer (local.get $outparam) (i32.const 500) (i32.load (i32.const 268)) (i32.load (i32.const 272)))
        (return)))
      (call $respond (local.get $outparam) (call $new-fields) (i32.const 200))
      (call $say-number (i64.load (i32.const 264)))
      (call $finish))
  )
  (core instance $main (instantiate $main
    (with "libc" (instance $libc)) (with "api" (instance $api)) (with "more" (instance $more))))
  (func $handle (param "request" (own $incoming-request)) (param "response-out" (own $response-outparam))
    (canon lift (core func $main "handle") (memory $memory) (realloc $realloc)))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.2" (instance $handler))
)
