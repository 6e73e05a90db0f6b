(* Typed noncommutative polynomials in matrices over any real field, of any sizes: a normaliser that Coq computes and
   has proved correct, and with it the rules by which the certificates of this project argue.

   A size is an object: a number that names one of the sizes [ds]. A symbol is the number of a matrix in an
   environment, which knows the two objects between which it stands. What is ill typed has the value zero, on both
   sides of the proof of correctness, so no rule needs a hypothesis on types. *)

From Coq Require Export BinNums BinPosDef BinIntDef.
From Coq Require BinPos BinInt Pnat QArith_base Qreduction.
From mathcomp Require Export ssreflect ssrfun ssrbool eqtype ssrnat seq fintype bigop ssralg ssrnum matrix.

(* The numbers of Coq claim this key for another scope. *)
Delimit Scope nat_scope with N.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Import order.Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* ---- What the statements mean ------------------------------------------------------------------------------------ *)

Section Vocabulary.

Variable R : realFieldType.

Definition is_pinv m n (A : 'M[R]_(m, n)) (X : 'M[R]_(n, m)) :=
  [/\ A *m X *m A = A, X *m A *m X = X, (A *m X)^T = A *m X & (X *m A)^T = X *m A].

Definition row_partition n r f (S : 'M[R]_(r, n)) (T : 'M[R]_(f, n)) :=
  [/\ S *m S^T = 1%:M, T *m T^T = 1%:M, S *m T^T = 0 & S^T *m S + T^T *m T = 1%:M].

Definition is_left_inverse m n (A : 'M[R]_(m, n)) (X : 'M[R]_(n, m)) := X *m A = 1%:M.

Definition is_right_inverse m n (A : 'M[R]_(m, n)) (X : 'M[R]_(n, m)) := A *m X = 1%:M.

Definition is_inverse n (A X : 'M[R]_n) := is_left_inverse A X /\ is_right_inverse A X.

Definition same_scalar n D (A : 'M[R]_n) (B : 'M[R]_D) := exists c : R, A = c%:M /\ B = c%:M.

Section Parts.

Variables (m n r f : nat) (A : 'M[R]_(m, n)) (X : 'M[R]_(n, m)) (S : 'M[R]_(r, n)) (T : 'M[R]_(f, n)).

Lemma penrose1 : is_pinv A X -> A *m X *m A = A. Proof. by case. Qed.
Lemma penrose2 : is_pinv A X -> X *m A *m X = X. Proof. by case. Qed.
Lemma penrose3 : is_pinv A X -> (A *m X)^T = A *m X. Proof. by case. Qed.
Lemma penrose4 : is_pinv A X -> (X *m A)^T = X *m A. Proof. by case. Qed.
Lemma orthonormal1 : row_partition S T -> S *m S^T = 1%:M. Proof. by case. Qed.
Lemma orthonormal2 : row_partition S T -> T *m T^T = 1%:M. Proof. by case. Qed.
Lemma disjoint : row_partition S T -> S *m T^T = 0. Proof. by case. Qed.
Lemma complete : row_partition S T -> S^T *m S + T^T *m T = 1%:M. Proof. by case. Qed.

End Parts.

Section Scalars.

Variables (n D : nat) (A : 'M[R]_n) (B : 'M[R]_D).
Hypothesis same : same_scalar A B.

Lemma scalar_symmetric1 : A^T = A. Proof. by case: same => c [-> _]; rewrite tr_scalar_mx. Qed.
Lemma scalar_symmetric2 : B^T = B. Proof. by case: same => c [_ ->]; rewrite tr_scalar_mx. Qed.
Lemma scalar_commutes11 (X : 'M_n) : A *m X = X *m A. Proof. by case: same => c [-> _]; rewrite scalar_mxC. Qed.
Lemma scalar_commutes22 (X : 'M_D) : B *m X = X *m B. Proof. by case: same => c [_ ->]; rewrite scalar_mxC. Qed.
Lemma scalar_commutes12 (X : 'M_(n, D)) : A *m X = X *m B.
Proof. by case: same => c [-> ->]; rewrite scalar_mxC. Qed.
Lemma scalar_commutes21 (X : 'M_(D, n)) : B *m X = X *m A.
Proof. by case: same => c [-> ->]; rewrite scalar_mxC. Qed.

End Scalars.

End Vocabulary.

(* ---- Rational numbers and their values in a real field ------------------------------------------------------------- *)

Notation Q := QArith_base.Q.
Notation "n # d" := (QArith_base.Qmake n%Z d%positive) (at level 55, no associativity).

Definition qzero : Q := 0 # 1.
Definition qone : Q := 1 # 1.
Definition qadd (x y : Q) := Qreduction.Qred (QArith_base.Qplus x y).
Definition qmul (x y : Q) := Qreduction.Qred (QArith_base.Qmult x y).
Definition qopp (x : Q) := QArith_base.Qopp x.
Definition qis0 (x : Q) := if QArith_base.Qnum x is Z0 then true else false.
Definition qpos (x : Q) := if QArith_base.Qnum x is Zpos _ then true else false.

Section Numbers.

Variable R : realFieldType.

Definition pos_val (p : positive) : R := (BinPos.Pos.to_nat p)%:R.

Definition int_val (z : Z) : R :=
  match z with
  | Z0 => 0
  | Zpos p => pos_val p
  | Zneg p => - pos_val p
  end.

(* A whole number is written without a quotient, so that [2%:R] is its value by computation. *)
Definition rat_val (q : Q) : R :=
  match QArith_base.Qden q with
  | xH => int_val (QArith_base.Qnum q)
  | d => int_val (QArith_base.Qnum q) / pos_val d
  end.

Lemma pos_val_gt0 p : 0 < pos_val p.
Proof. by rewrite ltr0n; apply/ssrnat.ltP; apply: Pnat.Pos2Nat.is_pos. Qed.

Lemma pos_val_neq0 p : pos_val p != 0.
Proof. exact: lt0r_neq0 (pos_val_gt0 p). Qed.

Lemma pos_valD p q : pos_val (BinPos.Pos.add p q) = pos_val p + pos_val q.
Proof. by rewrite /pos_val Pnat.Pos2Nat.inj_add -natrD. Qed.

Lemma pos_valM p q : pos_val (BinPos.Pos.mul p q) = pos_val p * pos_val q.
Proof. by rewrite /pos_val Pnat.Pos2Nat.inj_mul -natrM. Qed.

Lemma int_valN z : int_val (BinInt.Z.opp z) = - int_val z.
Proof. by case: z => //= [|p]; rewrite ?oppr0 ?opprK. Qed.

Lemma int_val_sub p q : int_val (BinInt.Z.pos_sub p q) = pos_val p - pos_val q.
Proof.
rewrite BinInt.Z.pos_sub_spec; case: BinPos.Pos.compare_spec => [->|lt|lt] /=; first by rewrite subrr.
  by rewrite -[in RHS](BinPos.Pos.sub_add _ _ lt) pos_valD opprD addrC -addrA addNr addr0.
by rewrite -[in RHS](BinPos.Pos.sub_add _ _ lt) pos_valD addrK.
Qed.

Lemma int_valD x y : int_val (BinInt.Z.add x y) = int_val x + int_val y.
Proof.
case: x y => [|p|p] [|q|q] /=; rewrite ?add0r ?addr0 ?pos_valD ?int_val_sub ?opprD //.
by rewrite addrC.
Qed.

Lemma int_valM x y : int_val (BinInt.Z.mul x y) = int_val x * int_val y.
Proof.
by case: x y => [|p|p] [|q|q] /=; rewrite ?mul0r ?mulr0 ?pos_valM ?mulrN ?mulNr ?opprK.
Qed.

Lemma int_val_eq0 z : (int_val z == 0) = if z is Z0 then true else false.
Proof. by case: z => [|p|p]; rewrite /= ?eqxx ?oppr_eq0 ?(negPf (pos_val_neq0 p)). Qed.

Lemma rat_valE q : rat_val q = int_val (QArith_base.Qnum q) / pos_val (QArith_base.Qden q).
Proof. by case: q => n [d|d|] //=; rewrite /rat_val /pos_val /= divr1. Qed.

Lemma rat_val_eq x y : QArith_base.Qeq x y -> rat_val x = rat_val y.
Proof.
rewrite /QArith_base.Qeq !rat_valE => /(congr1 int_val); rewrite !int_valM /= => eq_xy.
by apply/eqP; rewrite eqr_div ?pos_val_neq0 // eq_xy.
Qed.

Lemma rat_valD x y : rat_val (qadd x y) = rat_val x + rat_val y.
Proof.
rewrite (rat_val_eq (Qreduction.Qred_correct _)) !rat_valE /= int_valD !int_valM /= pos_valM.
by rewrite addf_div ?pos_val_neq0.
Qed.

Lemma rat_valM x y : rat_val (qmul x y) = rat_val x * rat_val y.
Proof.
by rewrite (rat_val_eq (Qreduction.Qred_correct _)) !rat_valE /= int_valM pos_valM mulf_div.
Qed.

Lemma rat_valN x : rat_val (qopp x) = - rat_val x.
Proof. by rewrite !rat_valE /= int_valN mulNr. Qed.

Lemma rat_val_eq0 x : (rat_val x == 0) = qis0 x.
Proof. by rewrite rat_valE mulf_eq0 invr_eq0 (negPf (pos_val_neq0 _)) orbF int_val_eq0. Qed.

Lemma rat_val0 : rat_val qzero = 0. Proof. by []. Qed.

Lemma rat_val1 : rat_val qone = 1. Proof. by []. Qed.

Lemma rat_val_gt0 x : qpos x -> 0 < rat_val x.
Proof.
case: x => [[|p|p] d] //= _; rewrite rat_valE /=.
by rewrite divr_gt0 ?pos_val_gt0.
Qed.

End Numbers.

(* ---- Expressions ----------------------------------------------------------------------------------------------------- *)

(* [Num q] is q times an identity; [Mul k x y] is a product over the object k. *)
Inductive expr :=
  | Var of nat
  | Num of Q
  | Zero
  | Add of expr & expr
  | Opp of expr
  | Mul of nat & expr & expr
  | Tr of expr
  | Scale of Q & expr.

Definition Sub x y := Add x (Opp y).

(* Computes to [Some erefl], which makes the value of a well-typed expression what a reader would write. *)
Fixpoint same (a b : nat) : option (a = b) :=
  match a, b with
  | 0, 0 => Some erefl
  | a'.+1, b'.+1 => if same a' b' is Some e then Some (f_equal S e) else None
  | _, _ => None
  end.

Lemma same_refl a : same a a = Some erefl.
Proof. by elim: a => //= a ->. Qed.

Lemma same_neq a b : a != b -> same a b = None.
Proof. by move/eqP=> ne_ab; case: (same a b). Qed.

(* A symbol, and whether it is transposed. *)
Definition letter := (nat * bool)%type.
Definition Plain (i : nat) : letter := (i, false).
Definition Turned (i : nat) : letter := (i, true).
Definition word := seq letter.
Definition poly := seq (word * Q).
Definition signature := seq (nat * nat).

Section Words.

Variable ts : signature.

Definition type i := nth (0, 0)%N ts i.
Definition source (l : letter) := if l.2 then (type l.1).2 else (type l.1).1.
Definition target (l : letter) := if l.2 then (type l.1).1 else (type l.1).2.

Fixpoint is_path a b (w : word) := if w is l :: w' then (source l == a) && is_path (target l) b w' else a == b.

Definition turn (w : word) : word := rev [seq (l.1, ~~ l.2) | l <- w].

(* Every term is a path from a to b; words are collected by [collect] only. *)
Fixpoint expand a b (e : expr) : poly :=
  match e with
  | Var i => if type i == (a, b) then [:: ([:: (i, false)], qone)] else [::]
  | Num q => if a == b then [:: ([::], q)] else [::]
  | Zero => [::]
  | Add x y => expand a b x ++ expand a b y
  | Opp x => [seq (t.1, qopp t.2) | t <- expand a b x]
  | Mul k x y => [seq (s.1 ++ t.1, qmul s.2 t.2) | s <- expand a k x, t <- expand k b y]
  | Tr x => [seq (turn t.1, t.2) | t <- expand b a x]
  | Scale q x => [seq (t.1, qmul q t.2) | t <- expand a b x]
  end.

(* Any order will do: it makes insertion quick and no proof rests on it. *)
Fixpoint before (v w : word) :=
  match v, w with
  | (i, s) :: v', (j, t) :: w' => (i < j)%N || ((i == j) && ((~~ s && t) || ((s == t) && before v' w')))
  | [::], _ :: _ => true
  | _, _ => false
  end.

Fixpoint insert (w : word) (q : Q) (p : poly) : poly :=
  match p with
  | [::] => [:: (w, q)]
  | (v, r) :: p' =>
    if w == v then (v, qadd q r) :: p' else if before w v then (w, q) :: p else (v, r) :: insert w q p'
  end.

Definition collect (p : poly) : poly := foldr (fun t => insert t.1 t.2) [::] p.

Definition vanishes a b (e : expr) := all (fun t => qis0 t.2) (collect (expand a b e)).

Fixpoint product (w : word) : expr :=
  match w with
  | [::] => Num qone
  | l :: w' => Mul (target l) (if l.2 then Tr (Var l.1) else Var l.1) (product w')
  end.

End Words.

(* ---- Values, and the normaliser is correct ----------------------------------------------------------------------- *)

Section Values.

Variables (R : realFieldType) (ds : seq nat).

Definition size_of a := nth 0%N ds a.

Record sized := Sized { rows_of : nat; cols_of : nat; matrix_of : 'M[R]_(size_of rows_of, size_of cols_of) }.

Definition recast a b a' b' (A : 'M[R]_(size_of a, size_of b)) : 'M[R]_(size_of a', size_of b') :=
  match same a a', same b b' with
  | Some ea, Some eb =>
    match ea in _ = x, eb in _ = y return 'M[R]_(size_of x, size_of y) with erefl, erefl => A end
  | _, _ => 0
  end.

Definition identity a b : 'M[R]_(size_of a, size_of b) :=
  if same a b is Some e then match e in _ = y return 'M[R]_(size_of a, size_of y) with erefl => 1%:M end else 0.

Definition scalar a b (q : Q) : 'M[R]_(size_of a, size_of b) :=
  if same a b is Some e
  then match e in _ = y return 'M[R]_(size_of a, size_of y) with erefl => (rat_val R q)%:M end else 0.

Lemma scalarE a b q : scalar a b q = rat_val R q *: identity a b.
Proof.
rewrite /scalar /identity; case: (same a b) => [e|]; last by rewrite scaler0.
by case: _ / e; rewrite scalemx1.
Qed.

Lemma identityE a : identity a a = 1%:M.
Proof. by rewrite /identity same_refl. Qed.

Variable E : seq sized.

Definition symbol i := nth (@Sized 0 0 0) E i.

Fixpoint eval a b (e : expr) : 'M[R]_(size_of a, size_of b) :=
  match e with
  | Var i => recast a b (matrix_of (symbol i))
  | Num q => scalar a b q
  | Zero => 0
  | Add x y => eval a b x + eval a b y
  | Opp x => - eval a b x
  | Mul k x y => eval a k x *m eval k b y
  | Tr x => (eval b a x)^T
  | Scale q x => rat_val R q *: eval a b x
  end.

Definition types : signature := [seq (rows_of s, cols_of s) | s <- E].

Lemma typeE i : type types i = (rows_of (symbol i), cols_of (symbol i)).
Proof. by rewrite /type /types /symbol; elim: E i => [|s E' IH] [|i] //=. Qed.

Definition letter_val a b (l : letter) := if l.2 then (eval b a (Var l.1))^T else eval a b (Var l.1).

Fixpoint word_val a b (w : word) : 'M[R]_(size_of a, size_of b) :=
  match w with
  | [::] => identity a b
  | l :: w' => letter_val a (target types l) l *m word_val (target types l) b w'
  end.

Fixpoint poly_val a b (p : poly) : 'M[R]_(size_of a, size_of b) :=
  if p is (w, q) :: p' then rat_val R q *: word_val a b w + poly_val a b p' else 0.

Let ok a b (t : word * Q) := is_path types a b t.1.

Lemma is_path_cat a k b u v : is_path types a k u -> is_path types k b v -> is_path types a b (u ++ v).
Proof. by elim: u a => [|l u IH] a /=; [move/eqP-> | case/andP=> -> /IH; apply]. Qed.

Lemma word_val_cat a k b u v :
  is_path types a k u -> word_val a b (u ++ v) = word_val a k u *m word_val k b v.
Proof.
elim: u a => [|l u IH] a /=; first by move/eqP->; rewrite identityE mul1mx.
by case/andP=> _ /IH->; rewrite mulmxA.
Qed.

Lemma turn_cons l w : turn (l :: w) = turn w ++ [:: (l.1, ~~ l.2)].
Proof. by rewrite /turn /= rev_cons -cats1. Qed.

Lemma source_turn l : source types (l.1, ~~ l.2) = target types l.
Proof. by rewrite /source /target /=; case: l.2. Qed.

Lemma target_turn l : target types (l.1, ~~ l.2) = source types l.
Proof. by rewrite /source /target /=; case: l.2. Qed.

Lemma is_path_turn a b w : is_path types a b w -> is_path types b a (turn w).
Proof.
elim: w a => [|l w IH] a /=; first by rewrite eq_sym.
case/andP=> /eqP src /IH path; rewrite turn_cons; apply: is_path_cat path _.
by rewrite /= source_turn target_turn src !eqxx.
Qed.

Lemma letter_val_turn a b l : letter_val a b (l.1, ~~ l.2) = (letter_val b a l)^T.
Proof. by rewrite /letter_val /=; case: l.2; rewrite ?trmxK. Qed.

Lemma word_val_turn a b w : is_path types a b w -> word_val b a (turn w) = (word_val a b w)^T.
Proof.
elim: w a => [|l w IH] a /=; first by move/eqP->; rewrite !identityE trmx1.
case/andP=> /eqP src path; rewrite turn_cons (word_val_cat _ _ (is_path_turn path)) (IH _ path) trmx_mul.
by rewrite /= target_turn src identityE mulmx1 letter_val_turn.
Qed.

Lemma poly_val_cat a b p q : poly_val a b (p ++ q) = poly_val a b p + poly_val a b q.
Proof. by elim: p => [|[w c] p IH] /=; rewrite ?add0r // IH addrA. Qed.

Lemma poly_val_mul a k b p q : all (ok a k) p ->
  poly_val a b [seq (s.1 ++ t.1, qmul s.2 t.2) | s <- p, t <- q] = poly_val a k p *m poly_val k b q.
Proof.
elim: p => [|[u c] p IH] /=; first by rewrite mul0mx.
case/andP=> path /IH; rewrite poly_val_cat mulmxDl => ->; congr (_ + _).
elim: q {IH} => [|[v d] q IHq] /=; first by rewrite mulmx0.
rewrite IHq mulmxDr; congr (_ + _).
by rewrite (word_val_cat _ _ path) rat_valM -scalemxAl -scalemxAr scalerA.
Qed.

Lemma expand_ok a b e : all (ok a b) (expand types a b e).
Proof.
elim: e a b => [i|q||x IHx y IHy|x IHx|k x IHx y IHy|x IHx|q x IHx] a b //=.
- case: eqP => //= eq_ab; rewrite /ok /= /source /target /= eq_ab.
  by rewrite !eqxx.
- by case: eqP => //= ->; rewrite /ok /= eqxx.
- by rewrite all_cat IHx IHy.
- by rewrite all_map; exact: IHx.
- have := IHx a k; elim: (expand types a k x) => //= s p IHp /andP[ok_s /IHp ok_p].
  rewrite all_cat ok_p andbT all_map; apply: sub_all (IHy k b) => t ok_t.
  exact: is_path_cat ok_s ok_t.
- by rewrite all_map; apply: sub_all (IHx b a) => t; exact: is_path_turn.
- by rewrite all_map; exact: IHx.
Qed.

Lemma recast_id a b A : @recast a b a b A = A.
Proof. by rewrite /recast !same_refl. Qed.

Lemma expand_val a b e : eval a b e = poly_val a b (expand types a b e).
Proof.
elim: e a b => [i|q||x IHx y IHy|x IHx|k x IHx y IHy|x IHx|q x IHx] a b //=.
- case: eqP => [eq_ab|ne_ab] /=.
    by rewrite addr0 rat_val1 scale1r /letter_val /= /target /= eq_ab identityE mulmx1.
  rewrite /recast; case: (same _ a) ne_ab => // ea; case: (same _ b) => // eb [].
  by rewrite typeE ea eb.
- rewrite scalarE; case: eqP => [->|/eqP ne_ab] /=; first by rewrite addr0.
  by rewrite /identity (same_neq ne_ab) scaler0.
- by rewrite poly_val_cat IHx IHy.
- rewrite IHx; elim: (expand types a b x) => [|[w q] p IH] /=; first by rewrite oppr0.
  by rewrite opprD IH rat_valN scaleNr.
- by rewrite (poly_val_mul _ _ (expand_ok a k x)) IHx IHy.
- rewrite IHx; elim: (expand types b a x) (expand_ok b a x) => [|[w q] p IH] /=; first by rewrite trmx0.
  by case/andP=> path /IH <-; rewrite linearD linearZ /= (word_val_turn path).
- rewrite IHx; elim: (expand types a b x) => [|[w r] p IH] /=; first by rewrite scaler0.
  by rewrite scalerDr IH rat_valM scalerA.
Qed.

Lemma insert_val a b w q p : poly_val a b (insert w q p) = rat_val R q *: word_val a b w + poly_val a b p.
Proof.
elim: p => [|[v r] p IH] //=; case: eqP => [->|_]; first by rewrite /= rat_valD scalerDl addrA.
by case: before => //=; rewrite IH addrCA.
Qed.

Lemma vanishes_val a b e : vanishes types a b e -> eval a b e = 0.
Proof.
rewrite expand_val /vanishes => zero.
have -> : poly_val a b (expand types a b e) = poly_val a b (collect (expand types a b e)).
  by elim: (expand _ _ _ _) => [|[w q] p IH] //=; rewrite insert_val IH.
elim: (collect _) zero => [|[w q] p IH] //= /andP[].
by rewrite -(rat_val_eq0 R) => /eqP-> /IH->; rewrite scale0r addr0.
Qed.

End Values.

(* ---- Rules ------------------------------------------------------------------------------------------------------------- *)

(* An equation between expressions from object [from] to object [to]. *)
Record equation := Eqn { from : nat; to : nat; lhs : expr; rhs : expr }.

Definition difference (g : equation) := Sub (lhs g) (rhs g).

(* c·a·g·b, with g the fact of that number among those given, transposed if [turned]. *)
Record term := Term { factor : Q; left : word; fact : nat; turned : bool; right : word }.

Definition no_fact := Eqn 0 0 Zero Zero.

Definition term_expr (ts : signature) (fs : seq equation) (t : term) : expr :=
  let g := nth no_fact fs (fact t) in
  let: (a, b) := if turned t then (to g, from g) else (from g, to g) in
  let middle := if turned t then Tr (difference g) else difference g in
  Scale (factor t) (Mul a (product ts (left t)) (Mul b middle (product ts (right t)))).

Definition terms_expr ts fs (us : seq term) : expr := foldr (fun t => Add (term_expr ts fs t)) Zero us.

Definition adds_up ts fs us (goal : equation) :=
  vanishes ts (from goal) (to goal) (Sub (difference goal) (terms_expr ts fs us)).

(* A weight, the object of the rows, and the root q of q'q. *)
Definition square := (Q * nat * expr)%type.
Definition Square (weight : Q) (rows : nat) (root : expr) : square := (weight, rows, root).

Definition squares_expr (qs : seq square) : expr :=
  foldr (fun s => Add (Scale s.1.1 (Mul s.1.2 (Tr s.2) s.2))) Zero qs.

Definition is_root ts (g : equation) (qs : seq square) (k : nat) (goal : equation) :=
  let: (_, a, q) := nth (qzero, 0%N, Zero) qs k in
  [&& all (fun s => qpos s.1.1) qs, from g == to g, to goal == to g, from goal == a, (k < size qs)%N,
      vanishes ts (from g) (to g) (Sub (difference g) (squares_expr qs))
    & vanishes ts (from goal) (to goal) (Sub (difference goal) q)].

Section Rules.

Variables (R : realFieldType) (ds : seq nat) (E : seq (sized R ds)).

Definition holds (g : equation) := eval E (from g) (to g) (lhs g) = eval E (from g) (to g) (rhs g).

Fixpoint all_hold (fs : seq equation) := if fs is g :: fs' then holds g /\ all_hold fs' else True.

Lemma difference_val g : holds g -> eval E (from g) (to g) (difference g) = 0.
Proof. by rewrite /holds /= => ->; rewrite subrr. Qed.

Lemma all_hold_nth fs k : all_hold fs -> holds (nth no_fact fs k).
Proof. by elim: fs k => [|g fs IH] [|k] //= [hold_g hold_fs] //; exact: IH. Qed.

Lemma terms_val fs us a b : all_hold fs -> eval E a b (terms_expr (types E) fs us) = 0.
Proof.
move=> facts; elim: us => [|t us IH] //=; rewrite IH addr0 /term_expr.
have /difference_val := all_hold_nth (fact t) facts; set g := nth _ _ _.
by case: (turned t) => /= ->; rewrite ?trmx0 mul0mx mulmx0 scaler0.
Qed.

Theorem combination fs us goal : all_hold fs -> adds_up (types E) fs us goal -> holds goal.
Proof.
move=> facts /vanishes_val /=; rewrite terms_val // subr0.
by move/eqP; rewrite subr_eq0 => /eqP.
Qed.

Lemma square_diag s c j :
  eval E c c (Scale s.1.1 (Mul s.1.2 (Tr s.2) s.2)) j j = rat_val R s.1.1 * \sum_i eval E s.1.2 c s.2 i j ^+ 2.
Proof. by rewrite /= mxE mxE; congr (_ * _); apply: eq_bigr => i _; rewrite mxE expr2. Qed.

Lemma square_ge0 (s : square) c j :
  qpos s.1.1 -> 0 <= eval E c c (Scale s.1.1 (Mul s.1.2 (Tr s.2) s.2)) j j.
Proof.
move=> /(rat_val_gt0 R) /ltW weight; rewrite square_diag mulr_ge0 //.
by apply: sumr_ge0 => i _; exact: sqr_ge0.
Qed.

Lemma squares_ge0 qs c j : all (fun s : square => qpos s.1.1) qs -> 0 <= eval E c c (squares_expr qs) j j.
Proof.
elim: qs => [|s qs IH] /=; first by rewrite mxE.
by case/andP=> weight /IH ge0; rewrite mxE addr_ge0 //; exact: (square_ge0 j weight).
Qed.

Lemma squares_eq0 qs c k : all (fun s : square => qpos s.1.1) qs -> eval E c c (squares_expr qs) = 0 ->
  (k < size qs)%N -> let s := nth (qzero, 0%N, Zero) qs k in eval E s.1.2 c s.2 = 0.
Proof.
move=> weights zero lt_k /=; apply/matrixP=> i j; rewrite [RHS]mxE.
have {zero}: eval E c c (squares_expr qs) j j = 0 by rewrite zero mxE.
elim: qs k weights lt_k i => [|s qs IH] [|k] //= /andP[weight weights] lt_k i;
  rewrite mxE => /eqP; have ge0 := square_ge0 j weight; have rest := squares_ge0 j weights;
  rewrite (paddr_eq0 ge0 rest) => /andP[/eqP first_eq0 /eqP rest_eq0].
- move/eqP: first_eq0; rewrite square_diag mulf_eq0 (negPf (lt0r_neq0 (rat_val_gt0 R weight))) /=.
  rewrite psumr_eq0 => [/allP/(_ i (mem_index_enum _))|i' _]; last exact: sqr_ge0.
  by rewrite /= sqrf_eq0 => /eqP.
- exact: IH.
Qed.

Theorem cancellation g qs k goal : holds g -> is_root (types E) g qs k goal -> holds goal.
Proof.
move/difference_val; rewrite /is_root; case eq_s: (nth _ _ _) => [[w a] q].
case: g goal => [c d gl gr] [a' c' l r] zero /and5P[weights /eqP/= eq_d /eqP/= eq_c /eqP/= eq_a /and3P[lt_k]].
rewrite /= in zero *; move: eq_d eq_c eq_a zero eq_s => <- -> -> {d c' a'} zero eq_s.
move=> /vanishes_val /= sum /vanishes_val /= root.
suff q0 : eval E a c q = 0 by move/eqP: root; rewrite /holds /= q0 subr0 subr_eq0 => /eqP.
have {}sum : eval E c c (squares_expr qs) = 0 by move/eqP: sum; rewrite zero sub0r oppr_eq0 => /eqP.
by have := squares_eq0 weights sum lt_k; rewrite eq_s.
Qed.

End Rules.

(* The premise of a rule is a computation; the kernel runs it in its virtual machine. *)
Ltac by_computation := vm_compute; reflexivity.
