(* Rational matrices, of which Coq computes what holds: theorems are not vacuous, and hypotheses cannot be dropped. *)

From Muso Require Import Algebra.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Import GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Definition table := seq (seq Q).

Definition entry (A : table) i j : Q := nth qzero (nth [::] A i) j.

Definition tabulate m n (f : nat -> nat -> Q) : table := [seq [seq f i j | j <- iota 0 n] | i <- iota 0 m].

(* A symbol with its two objects and its entries. *)
Record filled := Filled { f_rows : nat; f_cols : nat; f_table : table }.

Section Computation.

Variables (ds : seq nat) (ts : seq filled).

Definition sum_up n (f : nat -> Q) : Q := foldr (fun k => qadd (f k)) qzero (iota 0 n).

Fixpoint compute a b (e : expr) : table :=
  let m := size_of ds a in let n := size_of ds b in
  match e with
  | Var i =>
    let s := nth (Filled 0 0 [::]) ts i in
    if (f_rows s == a) && (f_cols s == b) then f_table s else [::]
  | Num q => if a == b then tabulate m n (fun i j => if i == j then q else qzero) else [::]
  | Zero => [::]
  | Add x y =>
    let A := compute a b x in let B := compute a b y in tabulate m n (fun i j => qadd (entry A i j) (entry B i j))
  | Opp x => let A := compute a b x in tabulate m n (fun i j => qopp (entry A i j))
  | Mul k x y =>
    let A := compute a k x in let B := compute k b y in
    tabulate m n (fun i j => sum_up (size_of ds k) (fun t => qmul (entry A i t) (entry B t j)))
  | Tr x => let A := compute b a x in tabulate m n (fun i j => entry A j i)
  | Scale q x => let A := compute a b x in tabulate m n (fun i j => qmul q (entry A i j))
  end.

(* Where the two sides differ, or that they do not. *)
Definition same_value (g : equation) : bool :=
  let A := compute (from g) (to g) (lhs g) in
  let B := compute (from g) (to g) (rhs g) in
  all (fun i => all (fun j => qis0 (qadd (entry A i j) (qopp (entry B i j)))) (iota 0 (size_of ds (to g))))
    (iota 0 (size_of ds (from g))).

End Computation.

Section Models.

Variables (R : realFieldType) (ds : seq nat) (ts : seq filled).

Definition mx m n (A : table) : 'M[R]_(m, n) := \matrix_(i, j) rat_val R (entry A i j).

Definition model : seq (sized R ds) := [seq @Sized R ds (f_rows s) (f_cols s) (mx _ _ (f_table s)) | s <- ts].

Definition value i := matrix_of (symbol model i).

Lemma entry_nil i j : entry [::] i j = qzero.
Proof. by rewrite /entry !nth_nil. Qed.

Lemma mx_nil m n : mx m n [::] = 0.
Proof. by apply/matrixP=> i j; rewrite !mxE entry_nil. Qed.

Lemma mx_tabulate m n f : mx m n (tabulate m n f) = \matrix_(i, j) rat_val R (f i j).
Proof.
apply/matrixP=> i j; rewrite !mxE /entry /tabulate.
by rewrite (nth_map 0%N) ?size_iota // (nth_map 0%N) ?size_iota // !nth_iota.
Qed.

Lemma sum_up_val n f : rat_val R (sum_up n f) = \sum_(k < n) rat_val R (f k).
Proof.
rewrite -(big_mkord xpredT (fun k => rat_val R (f k))) /index_iota subn0 /sum_up unlock.
by elim: (iota 0 n) => //= k s IH; rewrite rat_valD IH.
Qed.

Lemma symbol_model i : let s := nth (Filled 0 0 [::]) ts i in
  symbol model i = @Sized R ds (f_rows s) (f_cols s) (mx _ _ (f_table s)).
Proof.
rewrite /symbol /model; elim: ts i => [|s ts' IH] [|i] //=.
- by rewrite mx_nil.
- by rewrite mx_nil.
Qed.

Lemma compute_val a b e : eval model a b e = mx _ _ (compute ds ts a b e).
Proof.
elim: e a b => [i|q||x IHx y IHy|x IHx|k x IHx y IHy|x IHx|q x IHx] a b /=.
- rewrite symbol_model; case: (nth _ ts i) => c d A /=.
  case: eqP => [<-|/eqP ne]; last by rewrite /recast (same_neq ne) mx_nil.
  case: eqP => [<-|/eqP ne]; last by rewrite /recast (same_neq ne) same_refl mx_nil.
  by rewrite recast_id.
- rewrite scalarE; case: eqP => [<-|/eqP ne]; last by rewrite /identity (same_neq ne) scaler0 mx_nil.
  rewrite mx_tabulate identityE; apply/matrixP=> i j; rewrite !mxE -(inj_eq val_inj).
  by case: eqP; rewrite ?mulr1 ?mulr0 ?rat_val0.
- by rewrite mx_nil.
- by rewrite mx_tabulate IHx IHy; apply/matrixP=> i j; rewrite !mxE rat_valD.
- by rewrite mx_tabulate IHx; apply/matrixP=> i j; rewrite !mxE rat_valN.
- rewrite mx_tabulate IHx IHy; apply/matrixP=> i j; rewrite !mxE sum_up_val.
  by apply: eq_bigr => t _; rewrite !mxE rat_valM.
- by rewrite mx_tabulate IHx; apply/matrixP=> i j; rewrite !mxE.
- by rewrite mx_tabulate IHx; apply/matrixP=> i j; rewrite !mxE rat_valM.
Qed.

Lemma same_valueP g : reflect (holds model g) (same_value ds ts g).
Proof.
rewrite /holds !compute_val; set A := compute _ _ _ _ _; set B := compute _ _ _ _ _.
have eq_ij i j : qis0 (qadd (entry A i j) (qopp (entry B i j))) = (rat_val R (entry A i j) == rat_val R (entry B i j)).
  by rewrite -(rat_val_eq0 R) rat_valD rat_valN subr_eq0.
apply: (iffP allP) => [eq_AB|/matrixP eq_AB i].
  apply/matrixP=> i j; rewrite !mxE; apply/eqP; rewrite -eq_ij.
  have in_i : nat_of_ord i \in iota 0 (size_of ds (from g)) by rewrite mem_iota ltn_ord.
  by have /allP := eq_AB _ in_i; apply; rewrite mem_iota ltn_ord.
rewrite mem_iota /= => lt_i; apply/allP=> j; rewrite mem_iota /= => lt_j.
by rewrite eq_ij; have := eq_AB (Ordinal lt_i) (Ordinal lt_j); rewrite !mxE => /eqP.
Qed.

Theorem equal g : same_value ds ts g -> holds model g.
Proof. by move/same_valueP. Qed.

Theorem different g : ~~ same_value ds ts g -> ~ holds model g.
Proof. by move=> ne /same_valueP; apply/negP. Qed.

End Models.
